#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// A grey picture as a PNG file, not compressed. Source: RFC 2083, RFC 1950, RFC 1951.
inline std::string png_of(const std::vector<std::string>& rows) {
  const auto number = [](std::uint32_t n) {
    std::string bytes;
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(n >> shift);
    return bytes;
  };
  const auto chunk = [&](const std::string& type_and_data) {
    std::uint32_t crc = ~0U;
    for (const char c : type_and_data) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
    }
    return number(static_cast<std::uint32_t>(type_and_data.size() - 4)) + type_and_data +
           number(~crc);
  };
  std::string data{"\x78\x01"};
  std::uint32_t low = 1;  // of the Adler-32 sum
  std::uint32_t high = 0;
  for (std::size_t y = 0; y < rows.size(); ++y) {
    const std::string line = '\0' + rows[y];  // filter: none
    const auto size = static_cast<std::uint16_t>(line.size());
    data += static_cast<char>(y + 1 == rows.size());
    for (const std::uint16_t word : {size, static_cast<std::uint16_t>(~size)}) {
      data += static_cast<char>(word & 0xff);
      data += static_cast<char>(word >> 8);
    }
    data += line;
    for (const char c : line) {
      low = (low + static_cast<unsigned char>(c)) % 65521;
      high = (high + low) % 65521;
    }
  }
  data += number(high << 16 | low);
  const std::string format{"\x08\x00\x00\x00\x00", 5};  // 8 bits of grey
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR" + number(static_cast<std::uint32_t>(rows.front().size())) +
               number(static_cast<std::uint32_t>(rows.size())) + format) +
         chunk("IDAT" + data) + chunk("IEND");
}
