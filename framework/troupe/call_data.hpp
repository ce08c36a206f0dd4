#pragma once

#include <string>
#include <utility>

#include "troupe/pool.hpp"

namespace troupe {

/// A call of a function as data. Any process of the same program can carry it out, with a pool of
/// its own; only the caller needs to know its types.
struct call_data {
  struct place {
    std::string build_id;  ///< of the loaded object
    std::uint64_t offset = 0;
  };
  place stub;
  place function;  ///< empty for a lambda
  std::string name;
  std::string arguments;  ///< encoded
};

/// A result whose type only the caller knows.
struct encoded_value {
  std::string bytes;
};

namespace detail {

/// @throws std::invalid_argument for code that no loaded object holds.
call_data::place place_of(const void* code);
/// @throws std::invalid_argument when this program does not have the function.
engine::role role_of(const call_data& call);

template <>
inline result<encoded_value> value_from<encoded_value>(std::span<const std::byte> bytes) {
  return encoded_value{{reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
}

/// A call whose arguments are encoded already.
class encoded_call final : public call_state<encoded_value>,
                           public std::enable_shared_from_this<encoded_call> {
public:
  encoded_call(std::shared_ptr<engine::pool_core> pool, std::string arguments)
      : call_state<encoded_value>(std::move(pool)), arguments_(std::move(arguments)) {}
  bool fill(item_block& to, std::size_t, std::size_t) override {
    self_ = shared_from_this();
    to.add(std::as_bytes(std::span{arguments_}));
    return false;
  }

private:
  std::string arguments_;
};

}  // namespace detail

/// `f(arguments...)` as data.
template <class F, class... Arguments>
call_data call_of(F f, Arguments&&... arguments) {
  using traits = callable::traits<F>;
  using tuple = typename traits::arguments;
  const auto role = callable::chunk_role_of<tuple, traits::takes_runtime, true>(f, "call");
  call_data call;
  call.stub = detail::place_of(reinterpret_cast<const void*>(role.stub));
  if (role.function != nullptr) call.function = detail::place_of(role.function);
  call.name = role.name;
  tuple values(std::forward<Arguments>(arguments)...);
  item_block block;
  detail::encode_item(block, values);
  const auto bytes = block.bytes.view();
  call.arguments.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return call;
}

/// The result of a call of `F` that was carried out elsewhere.
template <class F>
auto result_of_call(const std::string& bytes) {
  return detail::value_from<typename callable::traits<F>::result>(std::as_bytes(std::span{bytes}));
}

/// Carries out a call for somebody else.
/// @throws std::invalid_argument when this program does not have the function.
task<encoded_value> submit(pool& to, const call_data& call, const map_options& how);

}  // namespace troupe
