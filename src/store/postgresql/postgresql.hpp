#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "store/sql/sql.hpp"

/// The driver for PostgreSQL 15 and newer, over libpq, directly or through PgBouncer in transaction mode.
///
/// - Every wait for the server has a deadline, after which the connection is dropped and sql::DatabaseUnavailable is
///   thrown. The server is told the same limit, so that it gives up, too, and frees its locks.
/// - BEGIN travels with the first statement, statements that are only sent travel together, and nobody waits for the
///   end of a view. A view or a transaction whose first statement meets a lost connection is begun again on a new one.
/// - Views are REPEATABLE READ READ ONLY, and transactions that write are SERIALIZABLE.
/// - A COMMIT whose answer is lost is looked up afterwards (see the table `commits`). The number of the transaction and
///   pg_xact_status() cannot tell it: a server that crashed gives the numbers of lost transactions away again, and so
///   does a standby that took over.
namespace vedette::postgresql {

/// What a connection is for. One that changes the schema is READ COMMITTED, so that it sees what others did while it
/// waited for a lock, and its server knows no limit but that for locks.
enum class Purpose { work, migration };

struct Options {
  Purpose purpose = Purpose::work;
  /// How long one statement may take, including the connection that it may have to wait for.
  std::chrono::milliseconds deadline{10'000};
  /// How long one try to connect to one of several servers may take.
  std::chrono::milliseconds connect_deadline{3'000};
};

/// Where a database is: what a `postgresql://` address says. All parameters are those of libpq, but for `schema`, which
/// is Vedette's own and names the schema that holds the tables (`vedette` if it is missing).
struct Address {
  /// The parameters of libpq, for each server one list.
  std::vector<std::vector<std::pair<std::string, std::string>>> servers;
  std::string schema;
  std::string shown;  ///< The address for messages: servers and database, without user, password and parameters.
};

/// Throws sql::DatabaseError, whose text does not hold the address, if the address is not understood.
Address parse_address(const std::string& url);

/// The rows of the table `commits` that the connections of one process use. Thread-safe.
class CommitSlots {
 public:
  struct Slot {
    std::int64_t id = 0, number = 0;
  };
  Slot take();
  void give_back(Slot slot);

 private:
  Mutex mutex_;
  std::vector<Slot> free_ GUARDED_BY(mutex_);
};

/// Makes a connection, which reaches for the server when its first statement runs. `slots` must outlive it.
std::unique_ptr<sql::Connection> connect(std::shared_ptr<const Address> address, const Options& options,
                                         std::shared_ptr<CommitSlots> slots);

}  // namespace vedette::postgresql
