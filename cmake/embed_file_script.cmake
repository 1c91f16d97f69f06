file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUTPUT}" "#include <string_view>
namespace vedette::embedded {
static constexpr unsigned char k_${SYMBOL}[] = {${bytes}0};
extern const std::string_view ${SYMBOL};
const std::string_view ${SYMBOL}{reinterpret_cast<const char*>(k_${SYMBOL}), sizeof(k_${SYMBOL}) - 1};
}
")
