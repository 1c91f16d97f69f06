# vedette_embed(target file symbol): makes the file's bytes available as `extern const std::string_view symbol`
# in namespace vedette::embedded, so that the programs need no data files beside them.
function(vedette_embed target file symbol)
  get_filename_component(path ${file} ABSOLUTE)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_${symbol}.cpp)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${path} -DOUTPUT=${out} -DSYMBOL=${symbol} -P ${PROJECT_SOURCE_DIR}/cmake/embed_file_script.cmake
    DEPENDS ${path} ${PROJECT_SOURCE_DIR}/cmake/embed_file_script.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
