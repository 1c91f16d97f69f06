#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/listing.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

/// Reads what other labelling tools export. A reader turns the text of a format into an AnnotationSet, which means the
/// same in all formats; annotations/dataset.hpp makes a dataset of Vedette of it. All input is taken for hostile: sizes,
/// numbers and depths are bounded, and one bad entry costs only itself. Different threads may read at the same time.
namespace vedette {

enum class AnnotationFormat { coco, label_studio, labelme, cvat, voc, yolo, mvtec, masks };
/// The name of a format on the command line: "coco", "label-studio", "labelme", "cvat", "voc", "yolo", "mvtec" or
/// "masks".
std::string_view to_text(AnnotationFormat format);
std::optional<AnnotationFormat> parse_annotation_format(std::string_view text);

/// The most bytes of one file of annotations. Reading one takes memory of about twice its size.
inline constexpr std::uint64_t kAnnotationFileLimit = 1'000'000'000;
inline constexpr std::uint64_t kXmlFileLimit = 300'000'000;  ///< The same of XML, whose tree is several times as large.
inline constexpr double kMostCoordinate = 1e6;           ///< Coordinates lie between this and its negative, in pixels.
inline constexpr int kMostSide = 16384;                  ///< The longest side of a picture, in pixels.
inline constexpr std::size_t kMostPictures = 2'000'000;  ///< The most pictures of a set.

/// How much memory reading annotations may take. The defaults are for a program of its own; a server that does other
/// work beside it passes lower ones.
struct AnnotationLimits {
  std::uint64_t tree_bytes = kAnnotationFileLimit;  ///< The most bytes of a file that is read as a whole: not of the
                                                    ///< JSON lists of COCO and Label Studio, which are read in pieces.
  std::size_t json_values = 20'000'000;             ///< The most values of one piece of JSON.
  std::uint64_t kept_bytes = UINT64_MAX;            ///< The most memory that the read annotations take together.
  int longest_side = kMostSide;                     ///< The longest side of a picture or mask, in pixels.
};

/// A place in a picture, in pixels. The centre of the first pixel is (0.5, 0.5), its upper left corner (0, 0).
struct Point {
  double x = 0, y = 0;
};
using Ring = std::vector<Point>;

/// Marked pixels of a rectangle as lengths of runs, which alternate and begin with unmarked pixels. The runs go along
/// rows, or along columns as COCO's do. Together they cover height × width pixels.
struct Runs {
  int left = 0, top = 0, height = 0, width = 0;
  bool by_columns = false;
  std::vector<std::uint32_t> lengths;
};

/// One marked area of a picture: what its rings enclose, or its runs mark, or both.
struct Region {
  std::string label;        ///< as the source names it
  std::vector<Ring> rings;  ///< Each ring is filled by the rule of even and odd; the areas of all rings are united.
  std::optional<Runs> runs;
  bool is_box = false;  ///< The source says where the defect lies, but not its outline.
};

enum class Split { train, validation, test };

/// The memory that a region takes, in bytes.
std::size_t bytes_of(const Region& region);

/// A file whose pixels are the labels of a picture.
struct LabelFile {
  std::string name;  ///< among the files of the annotations
  /// The labels of colours, 0xRRGGBB → label. Empty if every pixel that is not background has the label `mark`. Colours
  /// that are not named are background.
  std::vector<std::pair<std::uint32_t, std::string>> colors;
  std::string mark;
  /// The file holds indices as levels of grey: the label of index i is that of the i-th entry of `colors`, unless one of
  /// its levels of grey is a colour there.
  bool may_be_indices = false;
};

struct AnnotatedPicture {
  std::string name;           ///< The picture's file as the source names it, or a path or URL that ends so.
  std::string beside;         ///< The folder of the file that describes the picture, with '/' at its end, or empty.
  int height = 0, width = 0;  ///< The size as the source states it, in pixels; 0 if it does not.
  Split split = Split::train;
  std::vector<Region> regions;            ///< Where they overlap, the later one counts.
  std::vector<std::string> class_labels;  ///< Labels of the whole picture.
  std::optional<LabelFile> label_file;
  /// An annotation of this picture could not be used. The picture is anomalous, but it gets no mask, because the mask
  /// would show the defect of that annotation as good.
  bool has_bad_entry = false;
  bool is_in_shares = false;  ///< The points of its regions are in shares of the picture's sides and not in pixels.
};

/// Returns a text from outside so that a terminal may show it: at most 400 bytes of UTF-8 without control characters.
std::string printable(std::string_view text);

/// Bad entries of a source: they are counted, and the first ones are described.
class Problems {
 public:
  void add(std::string_view text);
  /// Whether the next problem will be described; otherwise its text need not be made.
  [[nodiscard]] bool wants_text() const { return count_ < kMostListed; }
  [[nodiscard]] std::size_t count() const { return count_; }
  /// The first problems, at most kMostListed.
  [[nodiscard]] const std::vector<std::string>& first() const { return first_; }

 private:
  std::vector<std::string> first_;
  std::size_t count_ = 0;
};

struct AnnotationSet {
  AnnotationLimits limits;
  std::uint64_t kept_bytes = 0;  ///< what keep() has counted

  /// Counts memory that the set is about to take. Returns false if that is too much: then the set must not take it, and
  /// check() fails from then on.
  [[nodiscard]] bool keep(std::size_t bytes);
  /// Adds a picture, whose regions have been counted, if there is room for the rest of it.
  void add(AnnotatedPicture picture);
  /// Adds a region to a picture if there is room for it.
  void add(Region region, std::vector<Region>& regions);
  void add_color(const std::string& label, const std::string& color);
  /// Fails with invalid_input, naming the file, if there was not room for all that it says.
  [[nodiscard]] Result<void> check(const std::string& file) const;

  std::vector<AnnotatedPicture> pictures;
  /// Colours that the source gives its labels, "#RRGGBB".
  std::vector<std::pair<std::string, std::string>> colors;
  Problems problems;
  std::vector<std::string> notes;  ///< What the user should know, one sentence each.
  /// The tool shows pictures turned as their EXIF orientation says, so that its annotations are of the turned picture
  /// unless the sizes say otherwise. In other sets only the sizes can say so.
  bool shows_turned = false;
  /// The source says nothing of pictures without annotations, so that all other pictures belong to it, too.
  bool omits_pictures = false;
};

/// The files of a folder, or of any other place that has names and contents.
class AnnotationFiles {
 public:
  virtual ~AnnotationFiles() = default;
  /// The relative names of all files, with '/' between folders, sorted.
  [[nodiscard]] virtual const std::vector<std::string>& names() const = 0;
  /// Reads one of names(). Fails with too_large if it has more than `limit` bytes.
  [[nodiscard]] virtual Result<Bytes> read(const std::string& name, std::uint64_t limit) const = 0;
  /// Reads at most the first `most` bytes of one of names().
  [[nodiscard]] virtual Result<Bytes> read_beginning(const std::string& name, std::size_t most) const = 0;
};

/// Tells the format of a source by its files. Fails with invalid_input if it is none of those above.
Result<AnnotationFormat> detect_annotation_format(const AnnotationFiles& annotations);

/// Reads all annotations of a source. `pictures` are the files among which the pictures lie; YOLO, MVTec and folders of
/// masks need their names. Fails with invalid_input, naming file and place, if a file as a whole cannot be read or holds
/// nothing of the format, or if more than the limits allow is to be read. Entries that are bad by themselves go to
/// AnnotationSet::problems.
Result<AnnotationSet> read_annotations(const AnnotationFiles& annotations, const AnnotationFiles& pictures,
                                       AnnotationFormat format, const AnnotationLimits& limits = {});

}  // namespace vedette
