#include "edge/agent/listening_socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "base/files.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

TEST(ListeningSocket, IsForUserAndGroupAndGoesWithItsOwner) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "agent.sock";
  {
    const auto socket = ListeningSocket::at_path(path, "");
    ASSERT_TRUE(socket) << socket.error().message;
    struct stat info {};
    ASSERT_EQ(::lstat(path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777U, 0660U);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ListeningSocket, ASecondOneIsRefusedAndTheFirstStays) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "agent.sock";
  const auto first = ListeningSocket::at_path(path, "");
  ASSERT_TRUE(first);
  const auto second = ListeningSocket::at_path(path, "");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(fs::exists(path));
  // A program that knows nothing of the lock also counts as long as it listens.
  fs::remove(path.string() + ".lock");
  EXPECT_EQ(ListeningSocket::at_path(path, "").error().kind, ErrorKind::conflict);
  EXPECT_TRUE(fs::exists(path));
}

TEST(ListeningSocket, WhatAKilledAgentLeftIsReplacedButNoFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "agent.sock", kept = folder.path() / "kept";
  {
    const auto socket = ListeningSocket::at_path(path, "");
    ASSERT_TRUE(socket);
    fs::create_hard_link(path, kept);
  }
  fs::rename(kept, path);  // a socket on which nobody listens
  EXPECT_TRUE(ListeningSocket::at_path(path, ""));
  std::ofstream(path) << "file";
  EXPECT_EQ(ListeningSocket::at_path(path, "").error().kind, ErrorKind::invalid_input);
  EXPECT_TRUE(fs::exists(path));
}

TEST(ListeningSocket, OnlyTheOwnSocketIsRemoved) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "agent.sock";
  std::optional<ListeningSocket> socket(std::move(*ListeningSocket::at_path(path, "")));
  fs::remove(path);
  std::ofstream(path) << "of somebody else";
  socket.reset();
  EXPECT_TRUE(fs::exists(path));
}

TEST(ListeningSocket, ALockOfSomebodyElseIsNotUsed) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "agent.sock", lock = folder.path() / "agent.sock.lock";
  const auto message_of = [&] {
    const auto socket = ListeningSocket::at_path(path, "");
    return socket ? std::string() : socket.error().message;
  };
  fs::create_symlink(folder.path() / "elsewhere", lock);
  EXPECT_NE(message_of().find("is no plain file"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder.path() / "elsewhere"));
  fs::remove(lock);
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  EXPECT_NE(message_of().find("is no plain file"), std::string::npos);
  fs::remove(lock);
  std::ofstream(lock) << "";
  if (::geteuid() == 0) {  // Only root can give a file away.
    ASSERT_EQ(::chown(lock.c_str(), 65534, 65534), 0);
    EXPECT_NE(message_of().find("belongs to user 65534"), std::string::npos);
    ASSERT_EQ(::chown(lock.c_str(), 0, 0), 0);
  }
  EXPECT_EQ(message_of(), "");
}

TEST(ListeningSocket, PathsGroupsAndAddressesThatCannotBeUsedAreRefused) {
  const TemporaryFolder folder;
  EXPECT_FALSE(ListeningSocket::at_path("relative.sock", ""));
  EXPECT_FALSE(ListeningSocket::at_path(folder.path() / std::string(120, 'a'), ""));
  EXPECT_FALSE(ListeningSocket::at_path(folder.path() / "missing" / "agent.sock", ""));
  EXPECT_FALSE(ListeningSocket::at_path(folder.path() / "agent.sock", "no-such-group-here"));
  for (const auto* address : {"", "127.0.0.1", "localhost:0", ":0", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999"})
    EXPECT_FALSE(ListeningSocket::at_address(address)) << address;
  const auto socket = ListeningSocket::at_address("127.0.0.1:0");
  ASSERT_TRUE(socket);
  EXPECT_GT(socket->port(), 0);
  EXPECT_EQ(ListeningSocket::at_address("127.0.0.1:" + std::to_string(socket->port())).error().kind,
            ErrorKind::conflict);
}

}  // namespace
}  // namespace vedette
