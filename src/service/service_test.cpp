#include <gtest/gtest.h>

#include "service/job_payloads.hpp"
#include "service/pagination.hpp"

namespace vedette {
namespace {

TEST(Pagination, ATokenIsOnlyGoodForItsQuery) {
  const auto token = make_page_token("ListProjects/1", "p-007");
  EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+="),
            std::string::npos);
  EXPECT_EQ(*read_page_token("ListProjects/1", token), "p-007");
  EXPECT_EQ(*read_page_token("ListProjects/1", ""), "");
  EXPECT_FALSE(read_page_token("ListProjects/2", token));
  EXPECT_FALSE(read_page_token("ListProjects/1", "AAAA"));
  EXPECT_FALSE(read_page_token("ListProjects/1", "?"));
}

TEST(JobPayloads, RoundTripAndDamageIsNoticed) {
  const ImportJob job{{{"123456789012", "r"}, "admin", "p", DatasetType::test, "uid"}, "b", "k/ü", "v1"};
  const auto back = parse_import_job(to_payload(job));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->key, "k/ü");
  EXPECT_EQ(back->version_id, "v1");
  EXPECT_EQ(back->dataset.type, DatasetType::test);
  EXPECT_FALSE(parse_import_job("{}"));
  EXPECT_EQ(parse_model_job(to_payload(ModelJob{{"1", "r"}, "u", "p", 12, ""}))->version, 12);
  EXPECT_FALSE(parse_model_job("nonsense"));
}

}  // namespace
}  // namespace vedette
