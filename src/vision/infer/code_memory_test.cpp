#include "vision/infer/code_memory.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace vedette {
namespace {

/// Forbids it with a filter of system calls, as systemd's MemoryDenyWriteExecute= does.
void forbid_making_memory_executable() {
  sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_mprotect},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 16)},
      {BPF_JMP | BPF_JSET | BPF_K, 0, 1, PROT_EXEC},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  sock_fprog program{};
  program.len = sizeof filter / sizeof *filter;
  program.filter = filter;
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

TEST(CodeMemory, MachineCodeCanUsuallyBeMade) {
  EXPECT_TRUE(check_code_memory());
}

TEST(CodeMemory, WhereMachineCodeIsForbiddenTheMessageSaysWhatToSwitch) {
  EXPECT_EXIT(
      {
        forbid_making_memory_executable();
        const auto outcome = check_code_memory();
        std::fprintf(stderr, "%s\n", outcome ? "allowed" : outcome.error().message.c_str());
        ::_exit(outcome ? 1 : 0);
      },
      testing::ExitedWithCode(0), "MemoryDenyWriteExecute= must be off");
}

}  // namespace
}  // namespace vedette
