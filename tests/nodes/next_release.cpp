// Makes of this release the next one, as far as the database is concerned: its schema has two more steps, which this
// release can live with. The program that this is linked into asks for the steps and gets those of this file, by the
// linker's option --wrap. test_nodes.py runs it beside this release.
#include "store/metadata/schema.hpp"

namespace vedette::metadata {

const std::vector<SchemaStep>& steps_of_this_release(sql::Dialect dialect) asm(
    "__real__ZN7vedette8metadata12schema_stepsENS_3sql7DialectE");
const std::vector<SchemaStep>& steps_of_next_release(sql::Dialect dialect) asm(
    "__wrap__ZN7vedette8metadata12schema_stepsENS_3sql7DialectE");

const std::vector<SchemaStep>& steps_of_next_release(sql::Dialect dialect) {
  static const auto steps = [dialect] {
    auto all = steps_of_this_release(dialect);
    const int known = all.back().version;
    all.push_back({known + 1, "next", R"(
ALTER TABLE projects ADD COLUMN next_text TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN next_number BIGINT;
CREATE TABLE next_things (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);
)",
                   known, known});
    all.push_back({known + 2, "next_index", R"(
DROP INDEX CONCURRENTLY IF EXISTS @schema@.next_by_text;
CREATE INDEX CONCURRENTLY next_by_text ON @schema@.projects (next_text);
)",
                   known, known, false});
    return all;
  }();
  return steps;
}

}  // namespace vedette::metadata
