#include <support/folder.hpp>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace test {

folder::folder() {
  char name[] = "/tmp/troupe-test-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error{"mkdtemp"};
  path_ = name;
}

folder::~folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string folder::file(const std::string& name, const std::string& text, unsigned mode) const {
  const std::string path = path_ + '/' + name;
  std::ofstream{path} << text;
  std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
  return path;
}

}  // namespace test
