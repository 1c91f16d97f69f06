#pragma once

#include <string>
#include <vector>

#include "api/model.hpp"

/// An API model in the forms that clients read: botocore's (boto3, AWS CLI) and OpenAPI 3.1. Pure functions.
namespace vedette {

struct ClientModelFile {
  std::string name;  ///< "service-2.json"
  std::string content;
};
/// service-2.json, paginators-1.json and waiters-2.json, as botocore looks for them in <folder>/<service>/<version>/.
std::vector<ClientModelFile> botocore_model(const ApiModel& model);

/// One OpenAPI 3.1 document over all services; each operation names its service in the tag and in the security scheme.
std::string openapi_document(const std::vector<const ApiModel*>& models, const std::string& version);

}  // namespace vedette
