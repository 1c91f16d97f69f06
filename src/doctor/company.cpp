#include "doctor/company.hpp"

#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "doctor/database.hpp"
#include "http_client/transport.hpp"
#include "nodes/membership.hpp"
#include "server/data_folder.hpp"
#include "server/installation.hpp"

namespace vedette::doctor {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::days kOldKey{365};
constexpr std::size_t kMostNamed = 5;
constexpr std::size_t kMasterKeyBytes = 32;

std::int64_t days(Timestamp::duration time) {
  return std::chrono::floor<std::chrono::days>(time).count();
}

void judge_master_key(const std::vector<AccessKey>& keys, const fs::path& file, Timestamp now, const Report& report) {
  struct stat info {};
  const auto bytes = read_file(file, kMasterKeyBytes + 1);
  if (!bytes || ::stat(file.c_str(), &info) != 0 || bytes->size() != kMasterKeyBytes)
    return report({"master key", Level::failed,
                   fmt::format("{} cannot be read, or does not hold {} bytes. Put back the file that belongs to the "
                               "metadata, from a backup "
                               "or from another node",
                               file.string(), kMasterKeyBytes)});
  const auto active = std::ranges::find_if(keys, &AccessKey::is_active);
  if (active != keys.end() && !unseal(*bytes, as_bytes(active->sealed_secret), active->access_key_id))
    return report({"master key", Level::failed,
                   fmt::format("{} is not the key that sealed the access keys, so that nobody could sign in. Put back "
                               "the file that belongs "
                               "to the metadata, from a backup or from another node",
                               file.string())});
  const auto written = Timestamp{std::chrono::seconds(info.st_mtim.tv_sec)};
  report({"master key", Level::ok,
          fmt::format("The master key opens the access keys. Its file was written {} days ago.", days(now - written))});
}

void judge_node(const ServerNode& node, const std::string& objects, const Ask& ask, const Report& report) {
  const auto name = "node " + node.id;
  if (!node.objects.empty() && node.objects != objects)
    report({name, Level::failed,
            fmt::format("It keeps the objects in {}, and a server with these options in {}. Start all nodes with the "
                        "same --objects",
                        node.objects, objects)});
  if (node.address.empty())
    return report(
        {name, Level::warning,
         "It does not say where it is reached, so that no call is passed on to it. Start it with --node-address"});
  const auto status = ask(node.address + "/healthz");
  if (!status)
    return report({name, Level::failed,
                   fmt::format("It lives, but cannot be reached from here at {}: {} Look at its --node-address, at "
                               "firewalls, and with TLS "
                               "at --node-ca",
                               node.address, status.error().message)});
  constexpr int kWell = 200;
  if (*status != kWell)
    return report({name, Level::failed,
                   fmt::format("What answers at {} is no Vedette: it says {}. Look at its --node-address", node.address,
                               *status)});
  report({name, Level::ok,
          fmt::format("It answers at {}. It is release {} with {} cores{}.", node.address, node.version, node.cores,
                      node.is_draining ? ", and ends what it does" : "")});
}

}  // namespace

void judge_keys(const std::vector<AccessKey>& keys, const fs::path& master_key_file, Timestamp now,
                const Report& report) {
  judge_master_key(keys, master_key_file, now, report);
  std::vector<const AccessKey*> old;
  Timestamp oldest = now;
  std::size_t active = 0;
  for (const auto& key : keys) {
    if (!key.is_active) continue;
    ++active;
    oldest = std::min(oldest, key.created);
    if (now - key.created > kOldKey) old.push_back(&key);
  }
  if (active == 0)
    return report({"access keys", Level::warning,
                   "There is no access key, so that nobody can sign in. Make one: vedette key create"});
  if (old.empty())
    return report(
        {"access keys", Level::ok,
         fmt::format("There are {} access keys. The oldest was made {} days ago.", active, days(now - oldest))});
  std::ranges::sort(old, {}, &AccessKey::created);
  std::string named;
  for (std::size_t i = 0; i < std::min(old.size(), kMostNamed); ++i)
    named += fmt::format("{}{} of {} ({} days)", i > 0 ? ", " : "", old[i]->access_key_id, old[i]->user,
                         days(now - old[i]->created));
  report({"access keys", Level::warning,
          fmt::format("{} of {} access keys are older than a year: {}{}. Make others (vedette key create --user NAME), "
                      "have programs use "
                      "them, and revoke the old ones",
                      old.size(), active, named, old.size() > kMostNamed ? ", …" : "")});
}

void judge_nodes(const std::vector<ServerNode>& nodes, Timestamp now, const std::string& objects, const Ask& ask,
                 const Report& report) {
  std::size_t live = 0;
  for (const auto& node : nodes) {
    if (!membership::is_fresh(node, now)) continue;
    ++live;
    judge_node(node, objects, ask, report);
  }
  if (live == 0) report({"nodes", Level::ok, "No node lives now."});
}

void check_company(const ServerSettings& settings, const Report& report) {
  const DataFolder folder{fs::absolute(settings.data)};
  try {
    const auto store = open_metadata(settings);
    std::vector<AccessKey> keys;
    std::vector<ServerNode> nodes;
    Timestamp now{};
    {
      const auto view = store->read();
      const auto account = account_of(*view);
      if (account && *account != settings.account)
        return report({"account", Level::failed,
                       fmt::format("The database belongs to the account {}, and a server with these options is for {}. "
                                   "Start it with --account {}",
                                   *account, settings.account, *account)});
      keys = view->users().list_keys(settings.account, std::nullopt);
      nodes = view->nodes().list();
      now = view->now();
    }
    judge_keys(keys, settings.master_key.empty() ? folder.master_key() : fs::path(settings.master_key), now, report);
    if (settings.metadata.empty()) return;  // A database of its own has one node.
    TransportOptions options;
    options.ca_file = settings.node_ca;
    options.connect_timeout = options.idle_timeout = std::chrono::seconds(5);
    Transport transport(options);
    constexpr std::uint64_t kLargest = 1 << 16;
    judge_nodes(
        nodes, now, objects_place(settings),
        [&](const std::string& url) -> Result<int> {
          const auto answer = transport.send("GET", url, {}, "", kLargest);
          if (!answer) return answer.error();
          return answer->status;
        },
        report);
  } catch (const std::exception& e) {
    report({"access keys", Level::failed, fmt::format("The metadata cannot be read: {}.", e.what())});
  }
}

}  // namespace vedette::doctor
