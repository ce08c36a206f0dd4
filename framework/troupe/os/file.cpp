#include "troupe/os/file.hpp"

#include <fcntl.h>
#include <kj/exception.h>

#include <array>

#include "troupe/os/descriptor.hpp"

namespace troupe::os {

/// Own code: a std::ifstream is not close-on-exec, so a program that another thread of the host
/// starts meanwhile would inherit it.
std::string file_contents(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  const descriptor file{fd};
  std::array<std::byte, 4096> part;
  try {
    for (;;) {
      const transfer got = read_some(file.get(), part);
      if (got.why != transfer::end::none) return text;
      text.append(reinterpret_cast<const char*>(part.data()), got.bytes);
    }
  } catch (const kj::Exception&) {
    return text;  // ESRCH: the process has gone
  }
}

}  // namespace troupe::os
