// This benchmark measures what the S3 endpoint costs: put and get of small and large objects and a listing of 100,000
// keys, beside a floor that is measured in the same run. The floor of a put is the time to write the same bytes to a
// file of the same disk and sync it, and to compute their SHA-256 and MD5, and nothing else. The floor of a get is the
// time to read the same file and send it over a loopback connection. Floor and request take turns, so that the
// machine's moods hit both. The client signs before the clock starts and only moves bytes. The last line is JSON.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "server_process.hpp"
#include "signing/signing.hpp"
#include "store/sqlite/sqlite.hpp"

namespace {

namespace fs = std::filesystem;
using namespace vedette;
using Json = nlohmann::json;
using Steady = std::chrono::steady_clock;

constexpr const char* kBucket = "measured";
constexpr int kListed = 100'000;

double ms_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

/// A connection that only moves bytes.
class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      check(n > 0, "send");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// Reads one answer and returns the size of its body in bytes. Throws unless its status is 200.
  std::size_t receive() {
    std::size_t have = 0, head = std::string_view::npos;
    while ((head = std::string_view(buffer_.data(), have).find("\r\n\r\n")) == std::string_view::npos)
      have += read(have);
    const std::string_view text(buffer_.data(), head);
    if (!text.starts_with("HTTP/1.1 200")) throw std::runtime_error("refused: " + std::string(text));
    constexpr std::string_view kLength = "content-length: ";
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    const auto at = lower.find(kLength);
    const std::size_t length = at == std::string::npos ? 0 : std::stoull(lower.substr(at + kLength.size()));
    for (std::size_t got = have - head - 4; got < length;) got += read(0);
    return length;
  }

 private:
  std::size_t read(std::size_t offset) {
    const auto n = ::recv(fd_, buffer_.data() + offset, buffer_.size() - offset, 0);
    check(n > 0, "recv");
    return static_cast<std::size_t>(n);
  }
  int fd_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
};

/// Returns a whole signed request.
std::string request(const ServerProcess& server, const std::string& method, const std::string& path,
                    const std::string& query, std::string_view body) {
  const auto host = server.endpoint().substr(7);
  const auto time = to_basic_iso8601(SystemClock().now());
  const auto hash = sha256_hex(body);
  const SignableRequest signable{
      method, path, query, {{"host", host}, {"x-amz-content-sha256", hash}, {"x-amz-date", time}}};
  const std::vector<std::string> names = {"host", "x-amz-content-sha256", "x-amz-date"};
  const CredentialScope scope{server.credentials().access_key_id, time.substr(0, 8), "us-east-1", "s3"};
  const auto signature = sign(server.credentials().secret_access_key, scope, time,
                              canonical_request(signable, names, hash, PathStyle::s3, false));
  std::string text =
      method + " " + path + (query.empty() ? "" : "?" + query) + " HTTP/1.1\r\nHost: " + host +
      "\r\nx-amz-date: " + time + "\r\nx-amz-content-sha256: " + hash +
      "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + scope.access_key_id + "/" + scope.date +
      "/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + signature +
      "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return text.append(body);
}

/// Returns the time to write, sync and hash: what no durable put with an ETag and a checked signature can do without.
double put_floor(const fs::path& path, std::string_view bytes) {
  const auto start = Steady::now();
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  check(fd >= 0, "open");
  Hasher sha256(Hasher::Algorithm::sha256), md5(Hasher::Algorithm::md5);
  sha256.update(as_bytes(bytes));
  md5.update(as_bytes(bytes));
  for (auto left = bytes; !left.empty();) {
    const auto n = ::write(fd, left.data(), left.size());
    check(n > 0, "write");
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  check(::fsync(fd) == 0, "fsync");
  ::close(fd);
  (void)sha256.finish();
  (void)md5.finish();
  const auto ms = ms_since(start);
  ::unlink(path.c_str());
  return ms;
}

/// A thread that sends a file to whoever asks with one byte.
class Sender {
 public:
  explicit Sender(fs::path path) : path_(std::move(path)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    check(::listen(listener_, 1) == 0, "listen");
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Sender() {
    ::close(listener_);
    thread_.join();
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  void run() {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::vector<char> chunk(1 << 20);
    for (char asked = 0; ::recv(fd, &asked, 1, 0) == 1;) {
      const int file = ::open(path_.c_str(), O_RDONLY);
      const auto size = fs::file_size(path_);
      const auto head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
      ::send(fd, head.data(), head.size(), MSG_MORE | MSG_NOSIGNAL);
      for (ssize_t n = 0; (n = ::read(file, chunk.data(), chunk.size())) > 0;)
        for (ssize_t sent = 0; sent < n;) {
          const auto m = ::send(fd, chunk.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
          if (m <= 0) break;
          sent += m;
        }
      ::close(file);
    }
    ::close(fd);
  }
  fs::path path_;
  int listener_, port_ = 0;
  std::thread thread_;
};

/// Writes rows of an index without contents, since listings do not look at these.
void fill_index(const fs::path& index) {
  sqlite::Connection c(index);
  c.execute("BEGIN");
  for (int i = 0; i < kListed; ++i) {
    char key[40];
    std::snprintf(key, sizeof key, "images/%03d/part-%06d.jpg", i / 1000, i);
    c.prepare(
         "INSERT INTO objects (bucket, key, content, size, etag, sha256, content_type, user_metadata, modified) "
         "VALUES ('listed', ?1, ?2, 1, 'd41d8cd98f00b204e9800998ecf8427e', '', 'image/jpeg', '', 0)")
        .bind_blob(key)
        .bind("none" + std::to_string(i))
        .execute();
  }
  c.execute("COMMIT");
}

struct Row {
  std::string name;
  double ms, floor_ms;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the S3 endpoint beside a floor.");
  std::string program = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "vedette";
  int rounds = 40;
  app.add_option("--vedette", program, "The server program")->capture_default_str();
  app.add_option("--rounds", rounds, "Requests of each kind")->capture_default_str()->check(CLI::Range(3, 100000));
  CLI11_PARSE(app, argc, argv);
  try {
    const TemporaryFolder folder(fs::current_path());
    const ServerProcess server(program, folder.path());
    const int port = std::stoi(server.endpoint().substr(server.endpoint().rfind(':') + 1));
    Socket socket(port);
    const auto send_over = [](Socket& connection, const std::string& text) {
      const auto start = Steady::now();
      connection.send(text);
      const auto size = connection.receive();
      return std::pair(ms_since(start), size);
    };
    const auto send = [&](const std::string& text) { return send_over(socket, text); };
    for (const char* bucket : {kBucket, "listed"}) send(request(server, "PUT", std::string("/") + bucket, "", ""));
    std::vector<Row> rows;
    for (const auto& [label, size] :
         {std::pair("1 KB", 1'000U), std::pair("1 MB", 1'000'000U), std::pair("8 MB", 8'000'000U)}) {
      const auto random = random_bytes(size);
      const auto bytes = as_text(random);
      std::vector<double> puts, put_floors, gets, get_floors;
      const auto path = std::string("/") + kBucket + "/object-" + std::to_string(size);
      const auto file = folder.path() / "floor";
      for (int i = -2; i < rounds; ++i) {
        const auto floor = put_floor(file, bytes);
        const auto text = request(server, "PUT", path + "-" + std::to_string(i & 7), "", bytes);
        const auto ms = send(text).first;
        if (i >= 0) puts.push_back(ms), put_floors.push_back(floor);
      }
      if (!write_file_atomically(file, bytes)) throw std::runtime_error("cannot write");
      const Sender sender(file);
      // The connections have the same age, so that their windows have grown alike.
      Socket plain(sender.port()), getting(port);
      for (int i = -2; i < rounds; ++i) {
        const auto start = Steady::now();
        plain.send("x");
        plain.receive();
        const auto floor = ms_since(start);
        const auto text = request(server, "GET", path + "-0", "", "");
        const auto [ms, got] = send_over(getting, text);
        if (got != size) throw std::runtime_error("not the whole object");
        if (i >= 0) gets.push_back(ms), get_floors.push_back(floor);
      }
      rows.push_back({std::string("put ") + label, percentile(puts, 0.5), percentile(put_floors, 0.5)});
      rows.push_back({std::string("get ") + label, percentile(gets, 0.5), percentile(get_floors, 0.5)});
    }
    fill_index(folder.path() / "objects" / "index.sqlite");
    double listing = 1e9;
    for (int turn = 0; turn < 3; ++turn) {
      double ms = 0;
      std::string after;
      for (int i = 0; i < kListed; i += 1000) {
        const auto query = "list-type=2&prefix=images%2F" + (after.empty() ? "" : "&start-after=" + after);
        ms += send(request(server, "GET", "/listed", query, "")).first;
        char key[60];
        std::snprintf(key, sizeof key, "images%%2F%03d%%2Fpart-%06d.jpg", (i + 999) / 1000, i + 999);
        after = key;
      }
      listing = std::min(listing, ms);
    }
    double scan = 1e9;  // The same rows are read from the same index, in pages.
    {
      sqlite::Connection c(folder.path() / "objects" / "index.sqlite");
      for (int turn = 0; turn < 3; ++turn) {
        const auto start = Steady::now();
        std::string after = "images/";
        std::size_t count = 0;
        while (true) {
          auto q = c.prepare(
              "SELECT key, etag, size, modified FROM objects WHERE bucket = 'listed' AND key > ? ORDER BY key LIMIT "
              "1000");
          q.bind_blob(after);
          std::size_t page = 0;
          for (; q.step(); ++page) after = q.text(0), (void)q.text(1);
          count += page;
          if (page < 1000) break;
        }
        if (count != kListed) throw std::runtime_error("the scan missed keys");
        scan = std::min(scan, ms_since(start));
      }
    }
    rows.push_back({"list 100,000 keys", listing, scan});
    Json summary;
    std::printf("| operation | p50 ms | floor ms | over floor |\n|---|---|---|---|\n");
    for (const auto& row : rows) {
      std::printf("| %s | %.2f | %.2f | %.2f |\n", row.name.c_str(), row.ms, row.floor_ms, row.ms / row.floor_ms);
      summary[row.name] = {{"ms", row.ms}, {"floor_ms", row.floor_ms}, {"over_floor", row.ms / row.floor_ms}};
    }
    std::printf("%s\n", summary.dump().c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "objects: %s\n", e.what());
    return 1;
  }
  return 0;
}
