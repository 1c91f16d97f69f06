#include "server/installation.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "nodes/membership.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr const char* kAccount = "account";

std::vector<ServerNode> others(UnitOfWork& work, const ServerNode& self) {
  auto nodes = work.nodes().list();
  const auto now = work.now();
  std::erase_if(nodes, [&](const ServerNode& node) { return node.id == self.id || !membership::is_fresh(node, now); });
  return nodes;
}

std::string shown(const ServerNode& node) {
  return "node " + node.id + (node.address.empty() ? "" : " at " + node.address);
}

}  // namespace

std::string objects_place(const ServerSettings& settings) {
  if (settings.objects.url.empty()) return kObjectsInFolder;
  auto url = settings.objects.url;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

fs::path master_key_file(const DataFolder& folder, const std::string& given) {
  if (given.empty()) return folder.master_key();
  struct stat info {};
  if (::stat(given.c_str(), &info) != 0)
    throw std::runtime_error("cannot read the master key file " + given + ": " + std::strerror(errno) +
                             ". It holds 32 random bytes, the same for all nodes: give the file of another node, or "
                             "make it for a new installation with: (umask 077; head -c 32 /dev/urandom > " +
                             given + ")");
  if ((info.st_mode & 07) != 0)
    throw std::runtime_error("the master key file " + given +
                             " is open to every user of the machine. Close it with: chmod o= " + given);
  return fs::absolute(given);
}

void check_folder_without_metadata(const DataFolder& folder) {
  if (!fs::exists(folder.metadata())) return;
  throw std::runtime_error(
      folder.metadata().string() +
      " holds metadata, which --metadata would leave unused. Copy them with vedette metadata copy, "
      "and then rename the file, so that no server starts with the old state by mistake");
}

std::optional<std::string> account_of(UnitOfWork& work) {
  return work.installation().find(kAccount);
}

void check_account(MetadataStore& metadata, const std::string& account) {
  const auto theirs = metadata.write([&](UnitOfWork& work) {
    const auto known = account_of(work);
    if (!known) work.installation().put(kAccount, account);
    return known.value_or(account);
  });
  if (theirs != account)
    throw std::runtime_error("the database belongs to the account " + theirs + ", and this server was started for " +
                             account + ". Start it with --account " + theirs);
}

void check_company(MetadataStore& metadata, const ServerNode& self) {
  for (const auto& other : metadata.read([&](UnitOfWork& work) { return others(work, self); })) {
    if (other.objects.empty()) continue;  // It is of a release that did not say.
    if (self.objects == kObjectsInFolder || other.objects == kObjectsInFolder)
      throw std::runtime_error(
          (self.objects == kObjectsInFolder ? "this node" : shown(other)) +
          " keeps the objects in its data folder, where no other node reaches them, but " +
          (self.objects == kObjectsInFolder ? shown(other) : std::string("this node")) +
          " uses the same database. Several nodes need the objects in an S3 service: start all of them with the same "
          "--objects s3://BUCKET/PREFIX (docs/nodes.md says how to move the objects)");
    if (self.objects != other.objects)
      throw std::runtime_error("this node was started with --objects " + self.objects + ", but " + shown(other) +
                               ", which uses the same database, has " + other.objects +
                               ". Start all nodes with the same --objects; to move the objects, stop all nodes first");
  }
}

void check_alone(MetadataStore& metadata, const ServerNode& self) {
  const auto living = metadata.read([&](UnitOfWork& work) { return others(work, self); });
  if (!living.empty())
    throw std::runtime_error(shown(living.front()) +
                             " runs with the master key that --accept-loss master-key would give up. Copy its key file "
                             "to this machine, or stop all other nodes first");
}

}  // namespace vedette
