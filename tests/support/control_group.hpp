#pragma once

#include <string>
#include <vector>

namespace test {

/// A control group of version 2 for a test, below that of this process. Goes with it, and must be
/// empty by then.
class control_group {
public:
  control_group();
  /// That of another process, which keeps it.
  explicit control_group(std::string path);
  ~control_group();
  control_group(const control_group&) = delete;
  control_group& operator=(const control_group&) = delete;

  /// False: none can be made here.
  explicit operator bool() const noexcept { return folder_ >= 0; }
  [[nodiscard]] int folder() const noexcept { return folder_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::vector<std::string> groups() const;
  [[nodiscard]] std::vector<std::string> controllers() const;
  void make(const std::string& name) const;
  void remove(const std::string& name) const;

private:
  std::string path_;
  int folder_ = -1;
  bool mine_ = false;
};

}  // namespace test
