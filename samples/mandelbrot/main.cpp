// The Mandelbrot set, a row an item. Painted twice, the second time with a worker killed half way:
// the picture is the same to the last bit.
#include <complex>
#include <fstream>
#include <iostream>
#include <ranges>
#include <troupe/troupe.hpp>

#include "png.hpp"

constexpr int width = 900;
constexpr int height = 600;

/// Runs in the workers.
std::string paint_row(int y) {
  std::string row;
  for (int x = 0; x < width; ++x) {
    const std::complex<double> c{-2.2 + 3.2 * x / width, -1.1 + 2.2 * y / height};
    std::complex<double> z;
    int steps = 0;
    while (steps < 255 && std::norm(z) < 4) {
      z = z * z + c;
      ++steps;
    }
    row += static_cast<char>(255 - steps);
  }
  return row;
}

std::string picture(troupe::runtime& rt, troupe::pool& pool, bool with_a_kill) {
  std::vector<std::string> rows;
  for (auto& row : pool.imap(paint_row, std::views::iota(0, height))) {
    rows.push_back(std::move(row.value()));
    if (with_a_kill && rows.size() == height / 2) rt.kill(pool.workers().front().process);
  }
  return png_of(rows);
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    auto pool = rt.pool();
    const auto begin = std::chrono::steady_clock::now();
    const std::string calm = picture(rt, pool, false);
    const std::string disturbed = picture(rt, pool, true);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    std::ofstream png{"mandelbrot.png", std::ios::binary};
    png << disturbed << std::flush;
    if (!png) throw std::runtime_error{"mandelbrot.png can't be written here: is the disk full?"};
    std::cout << 2 * height << " rows by " << pool.workers().size() << " workers in "
              << time.count() << " s\n"
              << pool.progress().restarts << " worker killed, " << pool.progress().retried
              << " rows painted again\n"
              << "the pictures are " << (calm == disturbed ? "identical" : "DIFFERENT") << '\n'
              << "mandelbrot.png, " << disturbed.size() << " bytes\n";
    return calm == disturbed ? 0 : 1;
  });
}
