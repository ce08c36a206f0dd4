// A program of somebody else's, with schemas of its own.
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <troupe/troupe.hpp>

#include "hello.capnp.h"

using consumer::Hello;

troupe::msg<Hello> reply(const troupe::msg<Hello>& hello) {
  return troupe::make<Hello>([&](auto answer) {
    const std::string text = hello->getWords().getText();
    answer.initWords().setText("you said: " + text);
    answer.initFrom().initPath(1).set(0, static_cast<std::uint32_t>(getpid()));
  });
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    auto worker = rt.serve(reply);
    const auto hello = troupe::make<Hello>([](auto m) { m.initWords().setText("hello"); });
    const auto answer = worker.ask(hello).value();
    const bool elsewhere = answer->getFrom().getPath()[0] != static_cast<std::uint32_t>(getpid());
    std::cout << answer->getWords().getText().cStr()
              << (elsewhere ? ", says another process\n" : ", says this process\n");
  });
}
