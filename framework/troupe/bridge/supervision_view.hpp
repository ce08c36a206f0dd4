#pragma once

#include <memory>
#include <vector>

#include "troupe/engine/control_tree.hpp"

namespace troupe::bridge {

class supervisor;

/// The supervisors of a process, as its control socket shows and commands them.
/// Runs in: the owner of the loop.
class supervision_view final : public engine::control_source {
public:
  /// Borrows the list, which changes.
  explicit supervision_view(const std::vector<std::shared_ptr<supervisor>>& all) : all_(all) {}

  void show(unsigned depth, std::vector<engine::tree_node>& into,
            std::set<const engine::link*>& theirs) const override;
  void restart(const std::string& name, std::function<void(restarted)> to) override;
  bool stop_last() override;

private:
  const std::vector<std::shared_ptr<supervisor>>& all_;
};

}  // namespace troupe::bridge
