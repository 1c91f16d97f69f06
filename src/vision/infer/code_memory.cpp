#include "vision/infer/code_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace vedette {

Result<void> check_code_memory() {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool is_allowed = page != MAP_FAILED;
  if (is_allowed) {
    *static_cast<unsigned char*>(page) = 0xc3;
    is_allowed = ::mprotect(page, size, PROT_READ | PROT_EXEC) == 0;
    ::munmap(page, size);
  }
  if (is_allowed) return {};
  return internal_error(
      "This process may not make machine code, which oneDNN does to run networks: memory that was written cannot be "
      "made executable. "
      "Under systemd, MemoryDenyWriteExecute= must be off; SELinux must allow execmem.");
}

}  // namespace vedette
