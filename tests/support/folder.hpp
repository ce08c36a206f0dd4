#pragma once

#include <string>

namespace test {

/// A folder that goes with the test.
class folder {
public:
  folder();
  ~folder();
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Writes a file there; its path.
  [[nodiscard]] std::string file(const std::string& name, const std::string& text,
                                 unsigned mode) const;

private:
  std::string path_;
};

}  // namespace test
