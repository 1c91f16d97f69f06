#pragma once

#include <string>
#include <vector>

#include "api/model.hpp"

/// Writes an API model in the forms that clients read: botocore's (boto3, AWS CLI) and OpenAPI 3.1. The functions are
/// pure.
namespace vedette {

struct ClientModelFile {
  std::string name;  ///< A name such as "service-2.json".
  std::string content;
};
/// Returns service-2.json, paginators-1.json and waiters-2.json, as botocore looks for them in
/// <folder>/<service>/<version>/.
std::vector<ClientModelFile> botocore_model(const ApiModel& model);

/// Returns one OpenAPI 3.1 document for all services. Each operation names its service in the tag and in the security
/// scheme.
std::string openapi_document(const std::vector<const ApiModel*>& models, const std::string& version);

}  // namespace vedette
