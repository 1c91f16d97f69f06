// The part of Hosting that follows the desired state, together with the other nodes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.hpp"
#include "hosting/hosting.hpp"

namespace vedette {
namespace {

constexpr std::chrono::seconds kReconcileInterval{2};
constexpr std::chrono::seconds kSharedInterval{1};  // with other nodes, of which one may have died
constexpr std::chrono::minutes kLookedAtFor{5};     // A model that nobody looks at any more is dropped after so long.
constexpr std::chrono::minutes kTryAgainAfter{5};   // A node that could not load a model tries again after so long.
/// A model stays in memory for so long after the other nodes were told that it leaves: longer than they go by what they
/// read before.
constexpr std::chrono::seconds kFindableFor{6};
constexpr const char* kHostedMessage = "The model is running.";

std::string message_of(ModelStatus status) {
  if (status == ModelStatus::hosted) return kHostedMessage;
  if (status == ModelStatus::hosting_failed) return "The model could not be started; the server's log says why.";
  return "The model is trained.";
}

UnitRange units_of(const Model& model) {
  // The metadata already limits the units to a quota, and this bound keeps them within the range of int.
  constexpr std::int64_t most = 1 << 20;
  const auto minimum = std::clamp<std::int64_t>(model.min_inference_units.value_or(1), 1, most);
  return {static_cast<int>(minimum),
          static_cast<int>(std::clamp(model.max_inference_units.value_or(minimum), minimum, most))};
}

/// A picture that came here is judged here, even if the units are meant for others.
UnitRange at_least_one(UnitRange units) {
  return {units.minimum, std::max(1, units.maximum)};
}

bool counts(const ModelHost& host, Timestamp now) {
  return host.is_loaded || now - host.changed < kTryAgainAfter;
}

std::vector<HostRecord> records_of(const std::vector<ModelHost>& hosts) {
  std::vector<HostRecord> out;
  for (const auto& host : hosts) out.push_back({host.node, host.is_loaded});
  return out;
}

class Ledger : public HostLedger {
 public:
  Ledger(UnitOfWork& work, const std::string& model) : work_(work), model_(model) {}
  std::vector<HostRecord> records() override {
    auto hosts = work_.model_hosts().list_of_model(model_);
    std::erase_if(hosts, [now = work_.now()](const auto& host) { return !counts(host, now); });
    return records_of(hosts);
  }
  void put(const HostRecord& record) override {
    work_.model_hosts().put({model_, record.node, record.is_loaded, 0, 0, work_.now()});
  }
  void remove(const std::string& node) override { work_.model_hosts().remove(model_, node); }
  void clear() override { work_.model_hosts().remove_model(model_); }
  bool is_wanted() override {
    const auto status = work_.models().status(model_);
    return status == ModelStatus::starting_hosting || status == ModelStatus::hosted;
  }
  bool move(ModelStatus from, ModelStatus to) override { return work_.models().move(model_, from, to, message_of(to)); }

 private:
  UnitOfWork& work_;
  const std::string& model_;
};

std::string name_of(const ScopedModel& entry) {
  return model_arn(entry.scope, entry.model.project, entry.model.version);
}

}  // namespace

void Hosting::loop() {
  bool is_former_self_forgotten = false;
  while (true) {
    try {
      if (!is_former_self_forgotten)
        metadata_.write([&](UnitOfWork& work) { work.model_hosts().remove_node(options_.node); });
      is_former_self_forgotten = true;
      reconcile();
    } catch (const std::exception& e) {
      log::error("hosting", {{"reason", e.what()}});
    }
    MutexLock lock(mutex_);
    changed_.wait_for(lock.standard(), seen_.nodes.size() > 1 ? kSharedInterval : kReconcileInterval,
                      [this]() REQUIRES(mutex_) { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

std::vector<HostNode> Hosting::live_nodes() const {
  if (options_.live_nodes) return options_.live_nodes();
  return {{options_.node, options_.compute.cores, false}};
}

std::vector<ScopedModel> Hosting::look_around() {
  Seen seen;
  seen.nodes = live_nodes();
  const auto work = metadata_.read();
  auto models = work->models().list_in_states(
      {ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::stopping_hosting});
  for (auto& host : work->model_hosts().list())
    if (counts(host, work->now())) seen.hosts[host.model].push_back(std::move(host));
  const MutexLock lock(mutex_);
  seen_ = std::move(seen);
  return models;
}

void Hosting::reconcile() {
  std::set<std::string> keep;
  for (const auto& entry : look_around()) {
    if (entry.model.status == ModelStatus::stopping_hosting) {
      stop_hosting(entry);
    } else if (follow(entry)) {
      keep.insert(entry.model.uid);
    }
  }
  drop_others(keep);
  {
    std::optional<LookedAt> gone;  // declared before the lock, so that the engine is freed after it is released
    const MutexLock lock(mutex_);
    if (looked_at_ && std::chrono::steady_clock::now() - looked_at_->last_used > kLookedAtFor)
      std::swap(gone, looked_at_);
    if (looked_at_) keep.insert(looked_at_->uid);
  }
  reclaim(keep);
}

HostTask Hosting::task_of(const Model& model) {
  const MutexLock lock(mutex_);
  const auto it = models_.find(model.uid);
  const auto task = task_for(options_.node, it != models_.end(), model.uid, units_of(model), seen_.nodes,
                             records_of(seen_.hosts[model.uid]));
  if (it != models_.end()) pool_.set_units(*it->second.lane, at_least_one(task.units));
  return task;
}

bool Hosting::follow(const ScopedModel& entry) {
  using Step = HostTask::Step;
  const auto& model = entry.model;
  const auto task = task_of(model);
  if (task.step == Step::load) return bring_up(entry);
  if (task.step == Step::report) return report(model);
  if (task.step == Step::let_go) {
    const auto nodes = live_nodes();
    const bool is_gone = metadata_.write([&](UnitOfWork& work) {
      Ledger ledger(work, model.uid);
      return let_go(ledger, options_.node, model.uid, units_of(model), nodes);
    });
    const MutexLock lock(mutex_);
    if (const auto it = models_.find(model.uid); is_gone && it != models_.end())
      it->second.let_go_at = std::chrono::steady_clock::now();
    return true;
  }
  {
    const MutexLock lock(mutex_);
    const auto it = models_.find(model.uid);
    if (it == models_.end()) return false;
    if (task.step == Step::drop) return std::chrono::steady_clock::now() - it->second.let_go_at < kFindableFor;
  }
  tell_units(model.uid);
  return true;
}

bool Hosting::bring_up(const ScopedModel& entry) {
  const auto start = std::chrono::steady_clock::now();
  auto loaded = lease(entry.model);
  if (!loaded && loaded.error().kind == ErrorKind::unavailable) {
    // The object store does not answer, so this node asks it again until it does.
    log::warning("a model waits for the object store", {{"model", name_of(entry)}, {"reason", loaded.error().message}});
    return true;
  }
  if (!loaded) {
    log::error("model cannot be hosted", {{"model", name_of(entry)}, {"reason", loaded.error().message}});
    const auto nodes = live_nodes();
    metadata_.write([&](UnitOfWork& work) {
      Ledger ledger(work, entry.model.uid);
      report_failed(ledger, options_.node, nodes);
    });
    return false;
  }
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  tell_speed(entry.model, *loaded);
  const double seconds = pool_.state(*loaded->lane).seconds;  // the core seconds that one picture takes
  log::info("model hosted",
            {{"model", name_of(entry)},
             {"load_ms", std::to_string(ms)},
             {"bytes", std::to_string(loaded->engine->memory().bytes())},
             {"precision", std::string(to_text(loaded->engine->precision()))},
             {"images_per_second_and_core", seconds > 0 ? fmt::format("{:.1f}", 1 / seconds) : "unknown"}});
  return true;
}

bool Hosting::report(const Model& model) {
  return metadata_.write([&](UnitOfWork& work) {
    Ledger ledger(work, model.uid);
    return report_loaded(ledger, options_.node);
  });
}

void Hosting::stop_hosting(const ScopedModel& entry) {
  {
    decltype(models_)::node_type gone;  // declared before the lock, so that the engine is freed after it is released
    const MutexLock lock(mutex_);
    gone = models_.extract(entry.model.uid);
  }
  const auto nodes = live_nodes();
  const bool is_last = metadata_.write([&](UnitOfWork& work) {
    Ledger ledger(work, entry.model.uid);
    return report_stopped(ledger, options_.node, nodes);
  });
  if (is_last) log::info("model stopped", {{"model", name_of(entry)}});
}

void Hosting::tell_speed(const Model& model, const ModelLease& lease) {
  // The check of the golden samples has warmed everything up, so this run tells how long a picture takes. It takes its
  // turn among the pictures of other models.
  double seconds = 0;
  const auto ran = pool_.run(lease.lane, [&](int) { seconds = lease.engine->time_golden_sample(); });
  if (!ran || seconds <= 0) return;
  const auto message = fmt::format("{} An inference unit judges about {:.{}f} images per second here.", kHostedMessage,
                                   1 / seconds, seconds < 0.1 ? 0 : 1);
  metadata_.write([&](UnitOfWork& work) { work.models().set_message(model.uid, ModelStatus::hosted, message); });
}

void Hosting::tell_units(const std::string& uid) {
  ModelHost told;
  {
    const MutexLock lock(mutex_);
    if (seen_.nodes.size() <= 1) return;
    const auto& hosts = seen_.hosts[uid];
    const auto it = std::ranges::find(hosts, options_.node, &ModelHost::node);
    if (it == hosts.end() || !it->is_loaded) return;
    told = *it;
  }
  const auto state = this->state(uid);
  if (!state || (told.desired_units == state->desired && told.units_in_service == state->in_service)) return;
  told.desired_units = state->desired;
  told.units_in_service = state->in_service;
  metadata_.write([&](UnitOfWork& work) {
    // The record may have been withdrawn for this node meanwhile, because others took it for dead.
    for (const auto& host : work.model_hosts().list_of_model(uid))
      if (host.node == options_.node && host.is_loaded) work.model_hosts().put(told);
  });
}

std::optional<Hosting::Units> Hosting::units_of_all_nodes(const std::string& uid) {
  std::vector<ModelHost> hosts;
  bool is_alone = false;
  {
    const MutexLock lock(mutex_);
    is_alone = seen_.nodes.size() <= 1;
    const auto it = seen_.hosts.find(uid);
    if (it != seen_.hosts.end())
      for (const auto& host : it->second)
        if (host.is_loaded && std::ranges::count(seen_.nodes, host.node, &HostNode::id) > 0) hosts.push_back(host);
  }
  const auto here = state(uid);
  if (is_alone) return here ? std::optional(Units{here->desired, here->in_service}) : std::nullopt;
  if (!here || hosts.empty() || hosts.front().node != options_.node) return std::nullopt;
  Units units{here->desired, here->in_service};
  for (const auto& host : hosts) {
    if (host.node == options_.node) continue;
    units.desired += static_cast<int>(host.desired_units);
    units.in_service += static_cast<int>(host.units_in_service);
  }
  return units;
}

std::vector<std::string> Hosting::in_order(const Model& model, const std::vector<HostNode>& nodes) {
  const auto shares = spread_units(model.uid, units_of(model).maximum, nodes);
  std::vector<std::pair<double, std::string>> order;
  const MutexLock lock(mutex_);
  // The smallest of exponential numbers is the i-th as often as its rate says.
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].id != options_.node)
      order.emplace_back(-std::log(1 - random_.uniform()) / std::max(0.01, 1.0 * shares[i]), nodes[i].id);
  std::ranges::sort(order);
  std::vector<std::string> out;
  for (auto& [when, id] : order) out.push_back(std::move(id));
  return out;
}

std::vector<std::string> Hosting::better_nodes(const Model& model) {
  std::vector<HostNode> nodes;
  std::vector<HostRecord> records;
  {
    const MutexLock lock(mutex_);
    if (seen_.nodes.size() <= 1 || models_.contains(model.uid)) return {};
    nodes = seen_.nodes;
    if (const auto it = seen_.hosts.find(model.uid); it != seen_.hosts.end()) records = records_of(it->second);
  }
  const auto find_hosts = [&] {
    std::vector<HostNode> out;
    for (const auto& id : hosts_among(nodes, records)) out.push_back(*std::ranges::find(nodes, id, &HostNode::id));
    return out;
  };
  auto hosts = find_hosts();
  if (hosts.empty()) {  // since the latest pass it may have been started
    records = records_of(metadata_.read()->model_hosts().list_of_model(model.uid));
    hosts = find_hosts();
  }
  if (!hosts.empty()) return in_order(model, hosts);
  // Nobody has it, because its node has died or it is being loaded: whoever should have it loads it, and only those do.
  std::vector<HostNode> placed;
  for (const auto& node : nodes)
    if (task_for(node.id, false, model.uid, units_of(model), nodes, records).is_placed_here) placed.push_back(node);
  if (std::ranges::count(placed, options_.node, &HostNode::id) > 0) return {};
  return in_order(model, placed);
}

std::vector<std::string> Hosting::other_hosts(const Model& model) {
  std::vector<HostNode> others;
  {
    const MutexLock lock(mutex_);
    const auto it = seen_.hosts.find(model.uid);
    if (seen_.nodes.size() <= 1 || it == seen_.hosts.end()) return {};
    for (const auto& id : hosts_among(seen_.nodes, records_of(it->second)))
      others.push_back(*std::ranges::find(seen_.nodes, id, &HostNode::id));
  }
  return in_order(model, others);
}

bool Hosting::has_let_go() {
  const MutexLock lock(mutex_);
  const bool can_others_take_over =
      std::ranges::any_of(seen_.nodes, [&](const auto& node) { return node.id != options_.node && !node.is_draining; });
  if (!can_others_take_over) return true;
  for (const auto& [uid, hosts] : seen_.hosts)
    for (const auto& host : hosts)
      if (host.node == options_.node && host.is_loaded) return false;
  return true;
}

UnitRange Hosting::first_units(const Model& model) {
  const MutexLock lock(mutex_);
  return seen_.nodes.size() <= 1 ? units_of(model) : UnitRange{0, units_of(model).maximum};
}

}  // namespace vedette
