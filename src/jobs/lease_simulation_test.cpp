// Takes the steps of jobs/lease.hpp in a million orders: several workers, each with a thread that works and a thread
// that renews, a database that is unreachable, late or restarted, workers that freeze, thaw and die, and clocks that
// jump. VEDETTE_SEED=NUMBER tells one schedule.
#include <gtest/gtest.h>

#include <array>

#include "base/simulation.hpp"
#include "jobs/lease.hpp"

namespace vedette::lease {
namespace {

using simulation::Broken;
using simulation::Dice;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// What a schedule leaves out, so that a test can show that the simulation finds the fault.
enum class Omitted { nothing, fence, term_in_names, choice_before_copies, trust_from_question };

/// The rows in memory. Every call is a part of a transaction that nobody else sees the middle of.
class FakeJobs : public JobRepository {
 public:
  std::int64_t insert(const NewJob& job) override {
    rows_.push_back({static_cast<std::int64_t>(rows_.size()) + 1, job.kind, "", "", "", {"", 0, job.ready, 0, 0}});
    return rows_.back().id;
  }
  std::optional<Job> find_ready(const std::string& kind, Timestamp by, Timestamp beyond) override {
    const Job* found = nullptr;
    for (const auto& job : rows_)
      if (job.id > 0 && job.kind == kind && (job.lease.ready <= by || job.lease.ready > beyond) &&
          (found == nullptr || job.lease.ready < found->lease.ready))
        found = &job;
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  std::optional<JobLease> lock(std::int64_t id) override {
    const auto& job = row(id);
    return job.id > 0 ? std::optional(job.lease) : std::nullopt;
  }
  void set_lease(std::int64_t id, const JobLease& lease) override { row(id).lease = lease; }
  void remove(std::int64_t id) override { row(id).id = 0; }
  std::vector<std::pair<std::int64_t, JobLease>> held_by(const std::string& prefix) override {
    std::vector<std::pair<std::int64_t, JobLease>> out;
    for (const auto& job : rows_)
      if (job.id > 0 && !job.lease.worker.empty() && job.lease.worker.starts_with(prefix))
        out.emplace_back(job.id, job.lease);
    return out;
  }

 private:
  Job& row(std::int64_t id) { return rows_.at(static_cast<std::size_t>(id) - 1); }
  std::vector<Job> rows_;
};

/// What the jobs are about, as the metadata and the object store have it. A run writes an artefact of two parts under a
/// name of its own, chooses it in a transaction, copies it to the one name that users read, and publishes.
struct Product {
  std::int64_t newest_term = 0;
  std::optional<std::int64_t> chosen;  ///< the term whose artefact is the product's
  std::array<std::int64_t, 2> copy{};  ///< which term's parts are where users read
  int times_published = 0;
  bool is_failed = false;
};

class World {
 public:
  World(std::uint64_t seed, Omitted omitted, bool is_told) : dice_(seed), omitted_(omitted), is_told_(is_told) {
    has_jumps_ = dice_.one_in(2);
    const auto count = 1 + dice_.roll(2);
    for (std::size_t i = 0; i < count; ++i) jobs_.insert({"k", "", database_time()});
    products_.resize(count);
    for (std::size_t i = 0; i < workers_.size(); ++i) rename(i);
  }

  void run() {
    for (int i = 0; i < 60; ++i) {
      disturb();
      act(dice_.roll(workers_.size()));
      check_trust();
    }
    // From here on nothing fails, and every job must come to its end.
    is_calm_ = true;
    for (auto& worker : workers_) worker.frozen_until = time_;
    for (int round = 0; round < 300 && !is_over(); ++round) {
      time_ += seconds(1);
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        act(i);
        act(i);
      }
      check_trust();
    }
    if (!is_over()) throw Broken("a job never came to an end");
    for (std::size_t i = 0; i < products_.size(); ++i) {
      const auto& product = products_[i];
      if (product.times_published + (product.is_failed ? 1 : 0) != 1)
        throw Broken("a job ended without a result, or with two");
      if (product.times_published == 0) continue;
      const auto& parts = artefact(i, *product.chosen);
      if (parts != std::array{*product.chosen, *product.chosen} || product.copy != parts)
        throw Broken("what was published was overwritten");
    }
  }

  [[nodiscard]] const std::string& told() const { return told_; }

  /// How often what the rules are for happened.
  struct Tally {
    int refused_writes = 0, cancelled = 0, choices_taken_over = 0, given_up = 0;
  };
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  enum class At {
    idle,
    first_part,
    second_part,
    choosing,
    copying,
    copying_rest,
    publishing,
    completing,
    giving_up,
    ending
  };
  struct Worker {
    std::string name;
    At at = At::idle;
    Claim claim;
    std::optional<Held> held;
    bool is_cancelled = false;
    Moment frozen_until{};
  };

  Timestamp database_time() const {
    return Timestamp{std::chrono::duration_cast<milliseconds>(time_.time_since_epoch()) + std::chrono::hours(24) +
                     shift_};
  }

  void tell(std::size_t who, const char* what) {
    if (!is_told_) return;
    const auto now = std::chrono::duration_cast<milliseconds>(time_.time_since_epoch()).count();
    const auto& claim = workers_[who].claim;
    told_ += std::to_string(now) + " ms  worker " + std::to_string(who) + " " + what + " (job " +
             std::to_string(claim.job) + ", term " + std::to_string(claim.term) + ")\n";
  }

  void rename(std::size_t i) {
    workers_[i] = {};
    workers_[i].name = "n" + std::to_string(i) + "/" + std::to_string(++starts_);
  }

  void disturb() {
    time_ += dice_.up_to(seconds(6));
    const auto who = dice_.roll(workers_.size());
    auto& worker = workers_[who];
    switch (dice_.roll(24)) {
      case 0:
      case 1:
        worker.frozen_until = time_ + dice_.up_to(seconds(90));
        tell(who, "freezes");
        break;
      case 2:
        if (has_jumps_) shift_ += dice_.up_to(seconds(180)) - milliseconds(seconds(90));
        break;
      case 3:  // The node dies and starts again at once.
        rename(who);
        take_back(jobs_, "n" + std::to_string(who) + "/", database_time());
        tell(who, "died and started again");
        break;
      case 4:  // The node dies and comes back without its name.
        rename(who);
        worker.name = "x" + worker.name;
        tell(who, "died and came back as another");
        break;
      default:
        break;
    }
  }

  enum class Reply { done, not_done, done_unheard };
  /// Runs a transaction, which takes its time. It may be lost on the way there or on the way back.
  template <typename Step>
  Reply ask(const Step& transaction) {
    const bool is_slow = !is_calm_ && dice_.one_in(8);
    if (is_slow) time_ += dice_.up_to(seconds(10));
    if (!is_calm_ && dice_.one_in(10)) return Reply::not_done;
    transaction();
    if (is_slow) time_ += dice_.up_to(seconds(10));
    return !is_calm_ && dice_.one_in(10) ? Reply::done_unheard : Reply::done;
  }

  /// A transaction of the fenced store. Returns nothing if the worker heard no answer, and false if the claim does not hold.
  template <typename Step>
  std::optional<bool> write(const Worker& worker, const Step& step) {
    bool is_held = false;
    const auto reply = ask([&] {
      is_held = omitted_ == Omitted::fence || check(jobs_, worker.claim);
      if (!is_held) {
        ++tally_.refused_writes;
        return;
      }
      auto& product = product_of(worker);
      if (worker.claim.term < product.newest_term) throw Broken("a write of an old term was accepted");
      step(product);
    });
    if (reply != Reply::done) return std::nullopt;
    return is_held;
  }

  void act(std::size_t who) {
    auto& worker = workers_[who];
    if (time_ < worker.frozen_until) return;
    if (worker.at != At::idle && dice_.one_in(3)) {
      beat(who);
      return;
    }
    switch (worker.at) {
      case At::idle:
        return begin(who);
      case At::first_part:
      case At::second_part:
        return write_part(who);
      case At::choosing:
        return choose(who);
      case At::copying:
      case At::copying_rest:
        return copy(who);
      case At::publishing:
        return publish(who);
      case At::giving_up:
        return give_up(who);
      case At::completing:
        return end(who, true);
      case At::ending:
        return end(who, false);
    }
  }

  void begin(std::size_t who) {
    auto& worker = workers_[who];
    const auto began = time_;
    std::optional<Job> job;
    const auto reply = ask([&] {
      job = claim(jobs_, "k", worker.name, database_time());
      if (job) products_.at(static_cast<std::size_t>(job->id) - 1).newest_term = job->lease.term;
    });
    if (reply != Reply::done || !job) return;
    worker.claim = {job->id, worker.name, job->lease.term};
    worker.held.emplace(omitted_ == Omitted::trust_from_question ? time_ : began);
    worker.is_cancelled = false;
    tell(who, "claimed");
    const auto& product = product_of(worker);
    if (product.times_published > 0 || product.is_failed)
      worker.at = At::completing;
    else if (is_given_up(job->lease))
      worker.at = At::giving_up;
    else
      worker.at = product.chosen ? At::copying : At::first_part;
    if (worker.at == At::copying) ++tally_.choices_taken_over;
    if (worker.at == At::giving_up) ++tally_.given_up;
    // Some jobs take whole nodes down.
    if (!is_calm_ && dice_.one_in(12)) rename(who);
  }

  /// What the thread does that keeps the lease.
  void beat(std::size_t who) {
    auto& worker = workers_[who];
    if (time_ >= worker.held->renew_at()) {
      const auto began = time_;
      bool renewed = false;
      const auto reply = ask([&] { renewed = renew(jobs_, worker.claim, database_time()); });
      worker.held->answered(began, reply != Reply::done ? Held::Answer::unknown
                                   : renewed            ? Held::Answer::renewed
                                                        : Held::Answer::lost);
    }
    if (!worker.held->is_trusted(time_) && !worker.is_cancelled) {
      worker.is_cancelled = true;
      ++tally_.cancelled;
      tell(who, "is cancelled");
    }
  }

  /// Returns whether the run is to stop here. A run that has just looked goes on with its next step, whatever happens
  /// meanwhile.
  bool stops(Worker& worker) {
    if (!worker.is_cancelled || (!is_calm_ && dice_.one_in(2))) return false;
    worker.at = At::ending;
    return true;
  }

  void write_part(std::size_t who) {
    auto& worker = workers_[who];
    if (stops(worker)) return;
    if (!is_calm_ && dice_.one_in(20)) {  // the object store does not answer
      worker.at = At::ending;
      return;
    }
    const bool is_first = worker.at == At::first_part;
    artefact(index_of(worker), worker.claim.term).at(is_first ? 0 : 1) = worker.claim.term;
    worker.at = is_first ? At::second_part : At::choosing;
    tell(who, "wrote a part");
  }

  void choose(std::size_t who) {
    auto& worker = workers_[who];
    if (omitted_ == Omitted::choice_before_copies) {
      worker.at = At::copying;
      return;
    }
    const auto held = write(worker, [&](Product& product) { product.chosen = worker.claim.term; });
    tell(who, "asked to choose its artefact");
    worker.at = held && *held ? At::copying : At::ending;
  }

  void copy(std::size_t who) {
    auto& worker = workers_[who];
    if (stops(worker)) return;
    auto& product = product_of(worker);
    const auto from = product.chosen.value_or(worker.claim.term);
    const bool is_first = worker.at == At::copying;
    product.copy.at(is_first ? 0 : 1) = artefact(index_of(worker), from).at(is_first ? 0 : 1);
    worker.at = is_first ? At::copying_rest : At::publishing;
    tell(who, "copied a part to where users read");
  }

  void publish(std::size_t who) {
    auto& worker = workers_[who];
    const auto held = write(worker, [&](Product& product) {
      if (omitted_ == Omitted::choice_before_copies) product.chosen = worker.claim.term;
      if (product.times_published == 0 || omitted_ == Omitted::fence) ++product.times_published;
      if (product.times_published > 1) throw Broken("a job was published twice");
    });
    tell(who, "asked to publish");
    worker.at = held && *held ? At::completing : At::ending;
  }

  void give_up(std::size_t who) {
    auto& worker = workers_[who];
    const auto held = write(worker, [&](Product& product) { product.is_failed = true; });
    tell(who, "asked to give the job up");
    worker.at = held && *held ? At::completing : At::ending;
  }

  void end(std::size_t who, bool is_done) {
    auto& worker = workers_[who];
    const auto reply = ask([&] {
      if (is_done)
        complete(jobs_, worker.claim);
      else
        give_back(jobs_, worker.claim, database_time() + seconds(5), !worker.is_cancelled);
    });
    tell(who, is_done ? "ended the job" : "gave the job back");
    if (reply == Reply::not_done && is_calm_) throw Broken("the database failed in calm times");
    worker.at = At::idle;
    worker.held.reset();
  }

  void check_trust() const {
    if (has_jumps_) return;
    for (std::size_t job = 1; job <= products_.size(); ++job) {
      int trusting = 0;
      for (const auto& worker : workers_)
        if (worker.held && worker.claim.job == static_cast<std::int64_t>(job) && worker.held->is_trusted(time_))
          ++trusting;
      if (trusting > 1) throw Broken("two workers trust their leases of one job");
    }
  }

  std::size_t index_of(const Worker& worker) const { return static_cast<std::size_t>(worker.claim.job) - 1; }
  Product& product_of(const Worker& worker) { return products_.at(index_of(worker)); }
  std::array<std::int64_t, 2>& artefact(std::size_t product, std::int64_t term) {
    const auto name = omitted_ == Omitted::term_in_names ? 0 : static_cast<std::size_t>(term);
    auto& artefacts = artefacts_.at(product);
    if (artefacts.size() <= name) artefacts.resize(name + 1);
    return artefacts[name];
  }
  bool is_over() {
    for (std::size_t i = 1; i <= products_.size(); ++i)
      if (jobs_.lock(static_cast<std::int64_t>(i))) return false;
    return true;
  }

  Dice dice_;
  const Omitted omitted_;
  const bool is_told_;
  std::string told_;
  Tally tally_;
  FakeJobs jobs_;
  std::vector<Product> products_;
  std::array<std::vector<std::array<std::int64_t, 2>>, 2> artefacts_;
  std::array<Worker, 3> workers_;
  int starts_ = 0;
  bool has_jumps_ = false, is_calm_ = false;
  Moment time_{};
  milliseconds shift_{0};
};

TEST(LeaseSimulation, NoScheduleBreaksAPromise) {
  const auto broken = simulation::first_broken<World>(1'000'000, Omitted::nothing);
  EXPECT_FALSE(broken) << *broken;
}

TEST(LeaseSimulation, SchedulesDoWhatTheRulesAreFor) {
  World::Tally all;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    World world(seed, Omitted::nothing, false);
    world.run();
    all.refused_writes += world.tally().refused_writes;
    all.cancelled += world.tally().cancelled;
    all.choices_taken_over += world.tally().choices_taken_over;
    all.given_up += world.tally().given_up;
  }
  EXPECT_GT(all.refused_writes, 100);
  EXPECT_GT(all.cancelled, 100);
  EXPECT_GT(all.choices_taken_over, 100);
  EXPECT_GT(all.given_up, 10);
}

TEST(LeaseSimulation, WithoutTheFenceAnOldTermWrites) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::fence, "a write of an old term was accepted"));
}

TEST(LeaseSimulation, WithoutTermsInNamesAThawedWorkerOverwritesWhatIsPublished) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::term_in_names, "what was published was overwritten"));
}

TEST(LeaseSimulation, WithoutAChoiceBeforeTheCopiesTwoRunsMixTheirs) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::choice_before_copies, "what was published was overwritten"));
}

TEST(LeaseSimulation, CountedFromTheAnswerALeaseIsTrustedTooLong) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::trust_from_question, "two workers trust their leases of one job"));
}

}  // namespace
}  // namespace vedette::lease
