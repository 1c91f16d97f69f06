# vedette_embed(target file symbol) makes the bytes of a file available as `extern const std::string_view symbol` in the
# namespace vedette::embedded, so that the programs need no data files beside them.
function(vedette_embed target file symbol)
  get_filename_component(path ${file} ABSOLUTE)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_${symbol}.cpp)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT [=[
#include <string_view>
asm(".pushsection .rodata\n"
    ".balign 16\n"
    "vedette_embedded_@symbol@_begin: .incbin \"@path@\"\n"
    "vedette_embedded_@symbol@_end: .byte 0\n"
    ".global vedette_embedded_@symbol@_begin, vedette_embedded_@symbol@_end\n"
    ".popsection\n");
extern "C" const char vedette_embedded_@symbol@_begin[];
extern "C" const char vedette_embedded_@symbol@_end[];
namespace vedette::embedded {
extern const std::string_view @symbol@;
const std::string_view @symbol@{vedette_embedded_@symbol@_begin, static_cast<std::size_t>(vedette_embedded_@symbol@_end - vedette_embedded_@symbol@_begin)};
}
]=])
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${out})
endfunction()
