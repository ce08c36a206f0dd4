#include <support/catch.hpp>
#include <support/control_group.hpp>

#include <troupe/os/control_group.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace test {

namespace {

int open_folder(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

}  // namespace

control_group::control_group() : mine_(true) {
  const auto own = troupe::os::own_control_group();
  if (!own.delegated) return;
  path_ = own.folder + "/troupe-test-" + std::to_string(getpid());
  if (mkdir(path_.c_str(), 0755) == 0) folder_ = open_folder(path_);
}

control_group::control_group(std::string path)
    : path_(std::move(path)), folder_(open_folder(path_)) {}

control_group::~control_group() {
  if (folder_ < 0) return;
  close(folder_);
  if (!mine_ || rmdir(path_.c_str()) == 0) return;
  for (const auto& name : groups()) rmdir((path_ + '/' + name).c_str());
  rmdir(path_.c_str());
  FAIL_CHECK("the control group " << path_ << " is in use at the end of its test");
}

std::string control_group::name() const {
  return path_.substr(path_.rfind('/') + 1);
}

std::vector<std::string> control_group::groups() const {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator{path_})
    if (entry.is_directory()) all.push_back(entry.path().filename());
  return all;
}

std::vector<std::string> control_group::controllers() const {
  std::ifstream file{path_ + "/cgroup.controllers"};
  std::vector<std::string> all;
  for (std::string word; file >> word;) all.push_back(word);
  return all;
}

void control_group::make(const std::string& name) const {
  REQUIRE(mkdir((path_ + '/' + name).c_str(), 0755) == 0);
}

void control_group::remove(const std::string& name) const {
  REQUIRE(rmdir((path_ + '/' + name).c_str()) == 0);
}

}  // namespace test
