#pragma once

#include <grpcpp/support/status.h>
#include <functional>
#include <stop_token>

#include "edge/agent/agent.hpp"
#include "edge/agent/detect_messages.hpp"

/// What the calls of the EdgeAgent service do, without the network. Any thread may call these functions; they block
/// until the answer is there. The codes are those of docs/edge.md. This header is internal to edge/agent.
namespace vedette::edge_agent {

grpc::Status to_status(const Error& error);

/// Returns how many bytes the picture of a call and the mask in its answer take. A picture in shared memory counts as one
/// in the request does, since it is copied.
std::size_t memory_of(const DetectRequest& request);
/// Tells the observer of a call that is refused before anybody has looked at it. It takes little time and memory,
/// whatever the request holds.
void observe_refused(const std::function<void(const AgentCall&)>& observe, const proto::DetectAnomaliesRequest& request,
                     const Error& error);
grpc::Status detect_anomalies(Components& components, const std::function<void(const AgentCall&)>& observe,
                              const DetectRequest& request, grpc::ByteBuffer& answer, const std::stop_token& abandoned);
grpc::Status start_model(Components& components, const proto::StartModelRequest& request,
                         proto::StartModelResponse& response);
grpc::Status stop_model(Components& components, const proto::StopModelRequest& request,
                        proto::StopModelResponse& response);
grpc::Status list_models(Components& components, proto::ListModelsResponse& response);
grpc::Status describe_model(Components& components, const proto::DescribeModelRequest& request,
                            proto::DescribeModelResponse& response);

}  // namespace vedette::edge_agent
