#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

class VerifiedPictures : public VerifiedPictureRepository {
 public:
  explicit VerifiedPictures(Connection& c) : c_(c) {}
  Revision revision(const std::string& model_uid) override {
    auto q = c_.prepare("SELECT COUNT(*), COALESCE(MAX(number), 0) FROM verified_pictures WHERE model_uid = ?");
    q.bind(model_uid);
    if (!q.step()) return {};
    return {q.integer(0), q.integer(1)};
  }
  std::vector<VerifiedPicture> list(const std::string& model_uid) override {
    auto q = c_.prepare(
        "SELECT source_ref, example, verified_by, verified_at FROM verified_pictures WHERE model_uid = ? "
        "ORDER BY number");
    q.bind(model_uid);
    std::vector<VerifiedPicture> out;
    while (q.step()) out.push_back({q.text(0), q.text(1), q.text(2), loaded(q.integer(3))});
    return out;
  }
  void put(const std::string& model_uid, const VerifiedPicture& p) override {
    remove(model_uid, p.source_ref);
    c_.prepare(
          "INSERT INTO verified_pictures (model_uid, source_ref, example, verified_by, verified_at) "
          "VALUES (?, ?, ?, ?, ?)")
        .bind(model_uid)
        .bind(p.source_ref)
        .bind(p.example)
        .bind(p.user)
        .bind(stored(p.time))
        .execute();
  }
  bool remove(const std::string& model_uid, const std::string& source_ref) override {
    return c_.prepare("DELETE FROM verified_pictures WHERE model_uid = ? AND source_ref = ?")
               .bind(model_uid)
               .bind(source_ref)
               .execute() > 0;
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<VerifiedPictureRepository> make_verified_pictures(Connection& c) {
  return std::make_unique<VerifiedPictures>(c);
}

}  // namespace vedette::metadata
