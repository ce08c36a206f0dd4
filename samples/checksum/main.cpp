// The main job: SHA-256 of every file below a directory, by worker processes that are killed on
// purpose while they work. What comes out is what `sha256sum` would have written.
#include <openssl/evp.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <troupe/troupe.hpp>

using namespace std::chrono_literals;

struct digest {
  std::string hex;
  std::uint64_t bytes = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, digest& d) {
  return f(d.hex, d.bytes);
}

// region work
/// Runs in the workers.
digest sha256(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "rbe"),
                                                             std::fclose};
  if (!file) throw std::runtime_error{std::strerror(errno)};
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  digest result;
  static std::array<unsigned char, 256 * 1024> buffer;
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    EVP_DigestUpdate(hash.get(), buffer.data(), count);
    result.bytes += count;
  }
  if (std::ferror(file.get())) throw std::runtime_error{std::strerror(errno)};
  unsigned length = 0;
  EVP_DigestFinal_ex(hash.get(), buffer.data(), &length);
  for (unsigned i = 0; i < length; ++i)
    for (const int shift : {4, 0}) result.hex += "0123456789abcdef"[(buffer[i] >> shift) & 15];
  return result;
}
// endregion

/// A line as sha256sum writes it: a name with odd characters is escaped and marked by a backslash.
std::string line_of(const std::string& hex, const std::string& name) {
  std::string escaped;
  for (const char c : name)
    escaped += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string{c};
  return (escaped == name ? "" : "\\") + hex + "  " + escaped + '\n';
}

struct options {
  std::string directory = "/usr/share";
  std::string output = "checksums.sha256";
  unsigned kill_every_ms = 0;
  std::size_t workers = std::max(1U, std::thread::hardware_concurrency());
};

int run(troupe::runtime& rt, const options& o) {
  auto [files, problems] = troupe::files_below(o.directory);
  const auto output = std::filesystem::weakly_canonical(o.output);
  std::erase_if(files, [&](const std::string& name) {
    return std::filesystem::path{name}.filename() == output.filename() &&
           std::filesystem::weakly_canonical(name) == output;
  });

  // A device or a pipe is written to, a file is replaced when all is there.
  const bool replaced = !std::filesystem::exists(o.output) || is_regular_file(output);
  const std::string written = replaced ? o.output + ".part" : o.output;
  const auto refused = [&] {
    return std::runtime_error{written + " can't be written: " + std::strerror(errno)};
  };
  if (!std::ofstream{written}) throw refused();  // better known now than when the work is done
  if (replaced) std::filesystem::remove(written);

  const auto start = std::chrono::steady_clock::now();
  auto pool = rt.pool(o.workers, {"checksum"});
  std::size_t killed = 0;
  std::size_t lost = 0;
  std::uint64_t bytes = 0;

  // region kill
  std::mt19937 random{std::random_device{}()};
  troupe::timer killer;
  if (o.kill_every_ms > 0)
    killer = rt.every(std::chrono::milliseconds{o.kill_every_ms}, [&] {
      auto workers = pool.workers();  // one whose file was hit twice is spared, so that files end
      std::erase_if(workers, [](const auto& w) { return !w.ready || w.failed_attempts >= 2; });
      if (workers.empty()) return;
      rt.kill(workers[random() % workers.size()].process, SIGKILL);
      ++killed;
    });
  // endregion

  troupe::progress_line progress{files.size()};
  const auto ticker = rt.every(100ms, [&] {
    const auto now = pool.progress();
    progress.show(now.done + now.failed, std::to_string(o.workers) + " workers, " +
                                             std::to_string(now.restarts) + " restarts");
  });

  // region map
  std::vector<std::string> lines(files.size());
  for (const auto& result : pool.imap_unordered(sha256, files)) {
    if (result) {
      lines[result.index] = line_of(result->hex, files[result.index]);
      bytes += result->bytes;
    } else {
      lost += result.error() == troupe::errc::worker_lost ? 1 : 0;
      problems.push_back({files[result.index], rt.describe(result.error())});
    }
  }
  // endregion

  std::ofstream sums{written, std::ios::binary};
  for (const auto& line : lines) sums << line;
  sums.close();
  if (!sums) throw refused();
  if (replaced) std::filesystem::rename(written, o.output);

  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const auto& p : problems) std::cerr << p.path << ": " << p.reason << '\n';
  std::cout << files.size() << " files, " << bytes << " bytes, " << seconds.count() << " s, "
            << killed << " workers killed, " << pool.progress().retried << " tasks retried, "
            << lost << " files lost\n";
  return problems.empty() ? 0 : 1;
}

int main(int argc, char** argv) {
  troupe::program program{argc, argv};
  options o;
  CLI::App app{"SHA-256 of every file below a directory, by worker processes"};
  app.add_option("directory", o.directory, "where to look")->capture_default_str();
  app.add_option("-o,--output", o.output, "file for the result")->capture_default_str();
  app.add_option("-j,--workers", o.workers, "worker processes")->check(CLI::Range(1, 4096));
  app.add_option("--kill-every", o.kill_every_ms, "kill a random worker this often; 0: never")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, unsigned>{{"ms", 1}, {"s", 1000}}));
  CLI11_PARSE(app, argc, argv);
  return program.run([&](troupe::runtime& rt) { return run(rt, o); });
}
