#pragma once

#include <caf/expected.hpp>

#include <utility>
#include <variant>

#include "troupe/error.hpp"

namespace troupe {

/// A value or a caf::error. Unlike caf::expected of 0.17.6, whose value() is undefined on an error,
/// `value()` throws `troupe::failure` with the error's sentence. Converts from and to
/// caf::expected.
template <class T>
class [[nodiscard]] result {
public:
  using value_type = T;

  result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  result(caf::error error) : content_(std::in_place_index<1>, std::move(error)) {}
  result(errc code) : result(make_error(code)) {}
  result(caf::expected<T> from)
      : content_(from ? content{std::in_place_index<0>, std::move(*from)}
                      : content{std::in_place_index<1>, std::move(from.error())}) {}

  [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// @throws troupe::failure when this is an error.
  T& value() & { return checked(*this); }
  const T& value() const& { return checked(*this); }
  T&& value() && { return std::move(checked(*this)); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  template <class U>
  T value_or(U&& fallback) const {
    return has_value() ? std::get<0>(content_) : static_cast<T>(std::forward<U>(fallback));
  }

  /// Empty (false) when this is a value.
  [[nodiscard]] caf::error error() const {
    return has_value() ? caf::error{} : std::get<1>(content_);
  }

  operator caf::expected<T>() const {
    if (has_value()) return std::get<0>(content_);
    return std::get<1>(content_);
  }

private:
  using content = std::variant<T, caf::error>;

  template <class Self>
  static auto& checked(Self& self) {
    if (!self.has_value()) throw failure{std::get<1>(self.content_)};
    return std::get<0>(self.content_);
  }

  content content_;
};

/// Done, or an error.
template <>
class [[nodiscard]] result<void> {
public:
  using value_type = void;

  result() = default;
  result(caf::error error) : error_(std::move(error)) {}
  result(errc code) : error_(make_error(code)) {}
  result(const caf::expected<void>& from) : error_(from ? caf::error{} : from.error()) {}

  [[nodiscard]] bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  /// @throws troupe::failure when this is an error.
  void value() const {
    if (error_) throw failure{error_};
  }
  [[nodiscard]] const caf::error& error() const noexcept { return error_; }

  operator caf::expected<void>() const {
    if (error_) return error_;
    return caf::unit;
  }

private:
  caf::error error_;
};

}  // namespace troupe
