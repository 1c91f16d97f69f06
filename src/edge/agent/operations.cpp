#include "edge/agent/operations.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "edge/agent/shared_memory.hpp"

namespace vedette::edge_agent {
namespace {

std::int64_t now_in_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Every operation but ListModels names a component.
std::optional<Error> fault_of_name(const std::string& component) {
  if (component.empty()) return invalid_input("model_component must be given.");
  return std::nullopt;
}

proto::ModelStatus to_wire(ComponentStatus status) {
  return static_cast<proto::ModelStatus>(status);
}

template <typename Message>
void fill(const ComponentState& state, Message& out) {
  out.set_model_component(state.name);
  out.set_status(to_wire(state.status));
  out.set_status_message(state.message);
}

bool has_possible_size(const proto::DetectAnomaliesRequest& request) {
  const SizeLimits limits;
  const auto is_side = [&](int side) { return side >= limits.minimum_side && side <= limits.maximum_side; };
  return request.has_bitmap() && is_side(request.bitmap().width()) && is_side(request.bitmap().height());
}

/// Returns the number of bytes of R, G and B, for a size that is possible.
std::uint64_t pixel_bytes(const proto::Bitmap& bitmap) {
  return 3 * static_cast<std::uint64_t>(bitmap.width()) * static_cast<std::uint64_t>(bitmap.height());
}

Result<void> write_mask(const Mask& mask, const SharedMemory& segment) {
  std::uint64_t position = 0;
  return mask.draw([&](const Mask::Piece& piece) {
    const auto from = position;
    position += piece.bytes.size();
    return segment.write(from, piece.bytes);
  });
}

/// The handle to which the mask is to be written. Clients use one of two numbers for it.
const proto::SharedMemoryHandle* mask_handle(const proto::DetectAnomaliesRequest& request) {
  if (!request.has_anomaly_mask_params()) return nullptr;
  const auto& params = request.anomaly_mask_params();
  if (params.has_shared_memory_handle()) return &params.shared_memory_handle();
  if (params.has_shared_memory_handle_of_old_samples()) return &params.shared_memory_handle_of_old_samples();
  return nullptr;
}

Result<SharedMemory> open_mask(const proto::SharedMemoryHandle& handle, std::uint64_t bytes) {
  if (handle.size() < bytes)
    return invalid_input("The shared memory for the mask has " + std::to_string(handle.size()) +
                         " bytes, and the mask needs " + std::to_string(bytes) + ".");
  return SharedMemory::open(handle.name(), handle.offset(), handle.size(), SharedMemory::Access::write);
}

/// Returns what reads the pixels of a picture, which must be as many bytes.
Result<Components::ReadPixels> open_pixels(const DetectRequest& request, std::uint64_t bytes) {
  const auto& bitmap = request.message.bitmap();
  const auto wrong_count = [&](std::uint64_t count) {
    return invalid_input("A picture of " + std::to_string(bitmap.width()) + "x" + std::to_string(bitmap.height()) +
                         " pixels has " + std::to_string(bytes) + " bytes of R, G and B, but there are " +
                         std::to_string(count) + ".");
  };
  switch (bitmap.data_case()) {
    case proto::Bitmap::kByteData: {
      const auto& data = request.pixels;
      if (data.size() != bytes) return wrong_count(data.size());
      return Components::ReadPixels([&data](std::size_t offset, std::span<std::uint8_t> out) {
        data.copy(offset, out);
        return Result<void>();
      });
    }
    case proto::Bitmap::kSharedMemoryHandle: {
      const auto& handle = bitmap.shared_memory_handle();
      if (handle.size() != bytes) return wrong_count(handle.size());
      auto opened = SharedMemory::open(handle.name(), handle.offset(), handle.size(), SharedMemory::Access::read);
      if (!opened) return opened.error();
      return Components::ReadPixels(
          [segment = std::make_shared<const SharedMemory>(std::move(*opened))](
              std::size_t offset, std::span<std::uint8_t> out) { return segment->read(offset, out); });
    }
    default:
      return invalid_input("The bitmap must have byte_data or a shared_memory_handle.");
  }
}

/// A picture and where its mask goes, both checked.
struct OpenedCall {
  Components::ReadPixels read;
  std::optional<SharedMemory> mask;
};

Result<OpenedCall> open_call(const DetectRequest& received) {
  const auto& request = received.message;
  if (const auto fault = fault_of_name(request.model_component())) return *fault;
  const auto& bitmap = request.bitmap();
  const SizeLimits limits;
  if (!has_possible_size(request))
    return invalid_input("The image has " + std::to_string(bitmap.width()) + "x" + std::to_string(bitmap.height()) +
                         " pixels; each side must be " + std::to_string(limits.minimum_side) + " to " +
                         std::to_string(limits.maximum_side) + ".");
  const auto bytes = pixel_bytes(bitmap);
  OpenedCall out;
  if (const auto* handle = mask_handle(request)) {
    auto segment = open_mask(*handle, bytes);
    if (!segment) return segment.error();
    out.mask.emplace(std::move(*segment));
  }
  auto read = open_pixels(received, bytes);
  if (!read) return read.error();
  out.read = std::move(*read);
  return Result<OpenedCall>(std::move(out));
}

/// Says in an answer what the verdict is, but for its mask.
void fill(const Verdict& verdict, const Manifest& manifest, proto::DetectAnomalyResult& result) {
  result.set_is_anomalous(verdict.is_anomalous);
  result.set_confidence(static_cast<float>(verdict.confidence));
  result.set_anomaly_score(static_cast<float>(verdict.anomaly_score));
  result.set_anomaly_threshold(static_cast<float>(manifest.threshold));
  for (const auto& area : verdict.areas) {
    auto& anomaly = *result.add_anomalies();
    anomaly.set_name(area.name);
    anomaly.mutable_pixel_anomaly()->set_total_percentage_area(static_cast<float>(area.fraction));
    anomaly.mutable_pixel_anomaly()->set_hex_color(area.color);
  }
}

Result<grpc::ByteBuffer> detect(Components& components, const std::function<void(const AgentCall&)>& observe,
                                const DetectRequest& received, const std::stop_token& abandoned) {
  const auto received_at = now_in_nanoseconds();
  const auto& request = received.message;
  const auto& component = request.model_component();
  const auto& bitmap = request.bitmap();
  const auto opened = open_call(received);
  const auto judged = opened ? components.judge(component, bitmap.height(), bitmap.width(), opened->read, abandoned)
                             : Result<Judged>(opened.error());
  if (observe)
    observe({component, judged, received_at, bitmap.height(), bitmap.width(), opened ? &opened->read : nullptr});
  if (!judged) return judged.error();
  const auto& verdict = judged->verdict;
  const auto& manifest = judged->model->engine->manifest();
  proto::DetectAnomaliesResponse response;
  auto& result = *response.mutable_detect_anomaly_result();
  fill(verdict, manifest, result);
  if (!verdict.label_map) return write_detect_response(response, nullptr);
  std::vector<Rgb> colors;
  for (const auto& color : label_colors(manifest.segmentation->labels)) colors.push_back(color.rgb);
  const Mask mask(*verdict.label_map, std::move(colors));
  if (!opened->mask) return write_detect_response(response, &mask);
  auto& written = *result.mutable_anomaly_mask();
  written.set_height(mask.height());
  written.set_width(mask.width());
  *written.mutable_shared_memory_handle() = *mask_handle(request);
  if (auto ok = write_mask(mask, *opened->mask); !ok) return ok.error();
  return write_detect_response(response, nullptr);
}

}  // namespace

grpc::Status to_status(const Error& error) {
  const auto code = [&] {
    switch (error.kind) {
      case ErrorKind::invalid_input:
      case ErrorKind::too_large:
        return grpc::StatusCode::INVALID_ARGUMENT;
      case ErrorKind::not_found:
        return grpc::StatusCode::NOT_FOUND;
      case ErrorKind::conflict:
        return grpc::StatusCode::FAILED_PRECONDITION;
      case ErrorKind::quota_exceeded:
      case ErrorKind::throttled:
        return grpc::StatusCode::RESOURCE_EXHAUSTED;
      case ErrorKind::unavailable:
        return grpc::StatusCode::UNAVAILABLE;
      default:
        return grpc::StatusCode::INTERNAL;
    }
  }();
  return {code, error.message};
}

std::size_t memory_of(const DetectRequest& received) {
  const auto& request = received.message;
  const auto given = received.pixels.size();
  if (!has_possible_size(request)) return given;  // The call is refused before anything is copied.
  const auto pixels = pixel_bytes(request.bitmap());
  return std::max<std::size_t>(given, pixels) + (mask_handle(request) ? 0 : pixels);
}

void observe_refused(const std::function<void(const AgentCall&)>& observe, const proto::DetectAnomaliesRequest& request,
                     const Error& error) {
  if (!observe) return;
  const auto& bitmap = request.bitmap();
  observe({request.model_component(), error, now_in_nanoseconds(), bitmap.height(), bitmap.width(), nullptr});
}

grpc::Status detect_anomalies(Components& components, const std::function<void(const AgentCall&)>& observe,
                              const DetectRequest& request, grpc::ByteBuffer& answer,
                              const std::stop_token& abandoned) {
  auto written = detect(components, observe, request, abandoned);
  if (!written) return to_status(written.error());
  answer.Swap(&*written);
  return {};
}

grpc::Status start_model(Components& components, const proto::StartModelRequest& request,
                         proto::StartModelResponse& response) {
  if (const auto fault = fault_of_name(request.model_component())) return to_status(*fault);
  if (auto ok = components.start(request.model_component()); !ok) return to_status(ok.error());
  response.set_status(proto::STARTING);
  return {};
}

grpc::Status stop_model(Components& components, const proto::StopModelRequest& request,
                        proto::StopModelResponse& response) {
  if (const auto fault = fault_of_name(request.model_component())) return to_status(*fault);
  if (auto ok = components.stop(request.model_component()); !ok) return to_status(ok.error());
  response.set_status(proto::STOPPED);
  return {};
}

grpc::Status list_models(Components& components, proto::ListModelsResponse& response) {
  for (const auto& state : components.list()) fill(state, *response.add_models());
  return {};
}

grpc::Status describe_model(Components& components, const proto::DescribeModelRequest& request,
                            proto::DescribeModelResponse& response) {
  if (const auto fault = fault_of_name(request.model_component())) return to_status(*fault);
  const auto state = components.describe(request.model_component());
  if (!state) return to_status(state.error());
  fill(*state, *response.mutable_model_description());
  return {};
}

}  // namespace vedette::edge_agent
