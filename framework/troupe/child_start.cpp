#include "troupe/child_start.hpp"

#include <cstring>

#include "troupe/message.hpp"

namespace troupe::detail {

stored_payload::stored_payload(const payload_source& what) : schema_id_(what.schema_id) {
  if (what.write != nullptr) {
    bytes_.resize(what.plain_bytes);
    what.write(what.value, bytes_.data());
  } else if (!what.segment.empty()) {
    bytes_.assign(what.segment.begin(), what.segment.end());
  } else if (what.schema_id != 0) {
    capnp::MallocMessageBuilder builder;
    builder.setRoot(what.structure);
    const auto words = message_words::copy_of(builder);
    bytes_.assign(words.segment().begin(), words.segment().end());
  }
}

payload_source stored_payload::source() const {
  payload_source source;
  if (schema_id_ != 0) {
    source.schema_id = schema_id_;
    source.segment = bytes_;
  } else if (!bytes_.empty()) {
    source.plain_bytes = bytes_.size();
    source.value = &bytes_;
    source.write = [](const void* from, std::byte* to) {
      const auto& bytes = *static_cast<const std::vector<std::byte>*>(from);
      std::memcpy(to, bytes.data(), bytes.size());
    };
  }
  return source;
}

}  // namespace troupe::detail
