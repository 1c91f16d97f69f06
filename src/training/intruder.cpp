// This program is a trainer that tries what a hijacked trainer would do, and what an honest one needs. It writes one
// line per attempt into JOB/attempts: "name ok", or "name" and the number of the error. JOB/tries names the files that
// it tries. It serves sandbox_test.cpp.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <thread>

int main(int count, char** arguments) {
  if (count != 3 || ::chdir(arguments[2]) != 0) return 1;
  std::ofstream out("attempts");
  const auto tell = [&](const char* name, long result) {
    out << name << ' ' << (result >= 0 ? "ok" : std::to_string(errno)) << '\n';
  };
  std::string secret, readable;
  std::ifstream tries("tries");
  std::getline(tries, secret);
  std::getline(tries, readable);

  // Honest trainers need the following operations.
  long sum = 0;
  std::thread([&] { sum = 1; }).join();
  tell("thread", sum - 1);
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tell("code", ::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  tell("write-here", ::mkdir("model", 0700));
  tell("readable", ::open(readable.c_str(), O_RDONLY));
  tell("library", ::open("/usr/bin/env", O_RDONLY));

  // Honest trainers do not need the following operations.
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) tell("socket", ::socket(family, SOCK_STREAM, 0));
  int pair[2];
  tell("socketpair", ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  tell("read-secret", ::open(secret.c_str(), O_RDONLY));
  tell("write-there", ::open((secret + ".new").c_str(), O_WRONLY | O_CREAT, 0600));
  tell("list-root", ::open("/", O_RDONLY | O_DIRECTORY));
  tell("chmod", ::chmod(secret.c_str(), 0));
  tell("truncate", ::truncate(secret.c_str(), 0));
  tell("starter-environment", ::open(("/proc/" + std::to_string(::getppid()) + "/environ").c_str(), O_RDONLY));
  tell("fork", ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  tell("vfork", ::syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
  tell("kill", ::kill(::getppid(), 0));
  tell("ptrace", ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  tell("user-namespace", ::syscall(SYS_unshare, CLONE_NEWUSER));
  char byte = 0;
  iovec local{&byte, 1}, remote{&byte, 1};
  tell("read-memory", ::process_vm_readv(::getppid(), &local, 1, &remote, 1, 0));
  for (const long call :
       {SYS_mount, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_io_uring_setup, SYS_userfaultfd, SYS_perf_event_open,
        SYS_pidfd_open, SYS_setns, SYS_init_module, SYS_kexec_load, SYS_memfd_create, SYS_execveat})
    tell("dangerous", ::syscall(call, 0, 0, 0, 0, 0, 0));
  tell("outlive", ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  tell("limits", ::setrlimit(RLIMIT_CORE, &all));
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  out << "core-bytes " << core.rlim_max << "\nno-new-privileges " << ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) << '\n';
  out.flush();
  char* none[] = {nullptr};
  tell("exec", ::execve("/bin/true", none, none));
  tell("exec-itself", ::execve("/proc/self/exe", arguments, none));
  out.flush();
  ::rename("prepared", "evaluation.json");
  return 0;
}
