#include "troupe/os/code_address.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace troupe::os {

namespace {

struct segment {
  std::uint64_t start;
  std::uint64_t end;
};

struct object {
  std::uint64_t base = 0;
  std::string build_id;
  std::vector<segment> code;
};

std::string note_build_id(const char* at, std::size_t bytes) {
  const char* const end = at + bytes;
  while (end - at >= static_cast<std::ptrdiff_t>(sizeof(ElfW(Nhdr)))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const char* name = at + sizeof note;
    const char* content = name + ((note.n_namesz + 3U) & ~3U);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
      return {content, note.n_descsz};
    at = content + ((note.n_descsz + 3U) & ~3U);
  }
  return {};
}

/// Stands in for a missing build id: FNV-1a over the program headers, which hold all sizes.
std::string hash_of_headers(const dl_phdr_info& info) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto* bytes = reinterpret_cast<const unsigned char*>(info.dlpi_phdr);
  for (std::size_t i = 0; i < info.dlpi_phnum * sizeof(ElfW(Phdr)); ++i)
    hash = (hash ^ bytes[i]) * 1099511628211ULL;
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

int collect(dl_phdr_info* info, std::size_t, void* data) {
  auto& objects = *static_cast<std::vector<object>*>(data);
  object found;
  found.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const std::uint64_t start = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0)
      found.code.push_back({start, start + header.p_memsz});
    if (header.p_type == PT_NOTE && found.build_id.empty())
      found.build_id = note_build_id(reinterpret_cast<const char*>(start), header.p_memsz);
  }
  if (found.build_id.empty()) found.build_id = hash_of_headers(*info);
  objects.push_back(std::move(found));
  return 0;
}

/// Objects loaded when last looked; the main program is the first. A forked worker inherits the
/// list. Never destroyed: the loop may still run while `exit` destroys what is static.
std::vector<object>& known_objects() {
  static auto& objects = *new std::vector<object>;
  return objects;
}

void look_again() {
  known_objects().clear();
  dl_iterate_phdr(collect, &known_objects());
}

/// What `find` makes of the known objects, or, if that is nothing, of those loaded since.
template <class Find>
auto found(Find find) {
  auto answer = find(known_objects());
  if (answer) return answer;
  look_again();
  return find(known_objects());
}

bool holds_code(const object& o, std::uint64_t at) {
  return std::any_of(o.code.begin(), o.code.end(),
                     [at](const segment& s) { return s.start <= at && at < s.end; });
}

}  // namespace

std::optional<code_address> locate(const void* code) {
  const auto at = reinterpret_cast<std::uint64_t>(code);
  return found([at](const std::vector<object>& objects) -> std::optional<code_address> {
    for (const auto& o : objects)
      if (holds_code(o, at)) return code_address{o.build_id, at - o.base};
    return std::nullopt;
  });
}

const void* resolve(const code_address& address) {
  return found([&address](const std::vector<object>& objects) -> const void* {
    for (const auto& o : objects) {
      if (o.build_id != address.build_id) continue;
      const std::uint64_t at = o.base + address.offset;
      if (holds_code(o, at)) return reinterpret_cast<const void*>(at);
    }
    return nullptr;
  });
}

const std::string& own_build_id() {
  if (known_objects().empty()) look_again();
  return known_objects().front().build_id;
}

}  // namespace troupe::os
