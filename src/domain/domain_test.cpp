#include "domain/domain.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

TEST(Domain, StatusTextsRoundTrip) {
  for (auto s : {ModelStatus::training, ModelStatus::trained, ModelStatus::training_failed,
                 ModelStatus::starting_hosting, ModelStatus::hosted, ModelStatus::hosting_failed,
                 ModelStatus::stopping_hosting, ModelStatus::system_updating, ModelStatus::deleting})
    EXPECT_EQ(parse_model_status(to_text(s)), s);
  EXPECT_THROW(parse_model_status("BROKEN"), std::invalid_argument);
}

TEST(Domain, ModelsMoveOnlyAlongTheTable) {
  EXPECT_TRUE(can_move(ModelStatus::trained, ModelStatus::starting_hosting));
  EXPECT_TRUE(can_move(ModelStatus::starting_hosting, ModelStatus::stopping_hosting));
  EXPECT_FALSE(can_move(ModelStatus::training, ModelStatus::deleting));
  EXPECT_FALSE(can_move(ModelStatus::hosted, ModelStatus::deleting));
  EXPECT_FALSE(can_move(ModelStatus::trained, ModelStatus::hosted));
}

TEST(Domain, ArnsCarryScopeAndName) {
  const Scope scope{"123456789012", "us-east-1"};
  EXPECT_EQ(project_arn(scope, "p"), "arn:aws:lookoutvision:us-east-1:123456789012:project/p");
  EXPECT_EQ(model_arn(scope, "p", 3), "arn:aws:lookoutvision:us-east-1:123456789012:model/p/3");
}

}  // namespace
}  // namespace vedette
