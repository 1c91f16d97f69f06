#include "thumbnails/thumbnails.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>

#include "base/digest.hpp"
#include "base/parallel.hpp"
#include "base/priority.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

constexpr int kLongerSide = 160;  // of a thumbnail, in pixels
constexpr int kQuality = 80;
constexpr int kMostCalls = 8;
// The objects may lie in another S3 service, where much of the time is spent waiting.
constexpr int kReadsAtOnce = 16;
constexpr SizeLimits kSizes{1, SizeLimits{}.maximum_side};

/// Returns the name of a thumbnail in the cache. It tells the content of the object from any other content.
std::string name_of(const Thumbnails::ObjectName& object, const ObjectInfo& info) {
  const std::string zero(1, '\0');  // occurs in no other part but the key
  return sha256_hex(object.bucket + zero + info.etag + zero + info.version_id.value_or("") + zero + object.key);
}

/// Decodes a picture at a size that is at least as large as the thumbnail's.
Result<RgbImage> decode(std::span<const std::uint8_t> bytes, LeastSize least, const std::stop_token& abandoned) {
  auto image = decode_image(bytes, kSizes, least, {.abandoned = abandoned});
  // A camera of 12 bits fills a sixteenth of the range of its files: the thumbnail would be black.
  if (image && image->used_bits > 0 && image->used_bits < 16)
    return decode_image(bytes, kSizes, least, {.sample_bits = std::max(8, image->used_bits), .abandoned = abandoned});
  return image;
}

Result<Thumbnail> reduce(std::span<const std::uint8_t> bytes, const std::stop_token& abandoned) {
  const auto header = read_image_header(bytes);
  if (!header) return header.error();
  const double scale = std::min(1.0, static_cast<double>(kLongerSide) / std::max(header->height, header->width));
  const auto side = [&](int full) { return std::max(1, static_cast<int>(std::lround(full * scale))); };
  const int height = side(header->height), width = side(header->width);
  auto image = decode(bytes, {height, width}, abandoned);
  if (!image) return image.error();
  if (image->height != height || image->width != width) image = to_image(resize_to_planes(*image, height, width));
  auto jpeg = encode_jpeg(*image, kQuality);
  if (!jpeg) return jpeg.error();
  return Thumbnail{std::move(*jpeg), header->height, header->width};
}

}  // namespace

Thumbnails::Thumbnails(ObjectStore& objects, ThumbnailOptions options)
    : objects_(objects),
      options_(std::move(options)),
      cache_(options_.cache_folder, options_.cache_bytes),
      cores_(std::max(1, options_.cores)) {}

Result<Thumbnail> Thumbnails::make_one(const ObjectName& object, const std::stop_token& abandoned) {
  const auto too_many_bytes = [&] {
    return invalid_input("The image has more than " + std::to_string(options_.largest_image) + " bytes.");
  };
  const auto known = objects_.head(object.bucket, object.key, std::nullopt);
  if (!known) return known.error();
  if (auto found = cache_.find(name_of(object, *known))) return std::move(*found);
  if (known->size_bytes > options_.largest_image) return too_many_bytes();
  const auto reader = objects_.get(object.bucket, object.key, std::nullopt);
  if (!reader) return reader.error();
  const auto& info = (*reader)->info();  // The object may have changed since then.
  if (info.size_bytes > options_.largest_image) return too_many_bytes();
  Bytes bytes;
  bytes.reserve(info.size_bytes);
  const auto append = [&](std::span<const std::uint8_t> chunk) -> Result<void> {
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    return {};
  };
  if (auto ok = for_each_chunk(**reader, 0, info.size_bytes, append); !ok) return ok.error();
  auto thumbnail = [&] {
    cores_.acquire();
    const std::unique_ptr<decltype(cores_), void (*)(decltype(cores_)*)> core(&cores_, [](auto* c) { c->release(); });
    return reduce(bytes, abandoned);
  }();
  if (thumbnail) cache_.put(name_of(object, info), *thumbnail);
  return thumbnail;
}

Result<std::vector<Result<Thumbnail>>> Thumbnails::make(std::span<const ObjectName> objects,
                                                        const std::stop_token& abandoned) {
  struct Turn {
    explicit Turn(std::atomic<int>& all) : calls(all), number(++all) {}
    ~Turn() { --calls; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    std::atomic<int>& calls;
    const int number;
  };
  const Turn turn(calls_);
  if (turn.number > kMostCalls) {
    auto busy = fail(ErrorKind::throttled, "Too many calls ask for thumbnails at the same time.");
    busy.retry_after_seconds = 1;
    return busy;
  }
  const auto gone = [] { return fail(ErrorKind::unavailable, "The caller did not wait for the answer."); };
  std::vector<Result<Thumbnail>> out(objects.size(), gone());
  const auto caller = std::this_thread::get_id();
  run_parallel(objects.size(), kReadsAtOnce, [&](std::size_t i) {
    if (abandoned.stop_requested()) return;
    if (std::this_thread::get_id() != caller) lower_thread_priority();  // The caller has other work afterwards.
    out[i] = make_one(objects[i], abandoned);
  });
  if (abandoned.stop_requested()) return gone();
  return out;
}

}  // namespace vedette
