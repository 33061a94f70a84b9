# SPDX-License-Identifier: LGPL-2.1-or-later
# Registers the cases of a GoogleTest program with CTest: in four shares, so that several processors have something to do, and
# with the label by which `ctest -L` chooses. Reports of all cases, as JUnit has them, are written below reports/LABEL. They all
# need the fixture coverage-LABEL (coverage.cmake).
function(vfio_bind_register_tests target label)
  foreach(share RANGE 3)
    set(name ${target}-${share})
    set(environment GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=${share}
      GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/reports/${label}/${name}.xml)
    if(VFIO_BIND_SANITIZE)
      list(APPEND environment ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1)
    endif()
    add_test(NAME ${name} COMMAND ${target})
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 900 ENVIRONMENT "${environment}"
      FIXTURES_REQUIRED coverage-${label})
  endforeach()
endfunction()
