# SPDX-License-Identifier: LGPL-2.1-or-later
# Which lines the tests ran: as tests that CTest has after all those of a label, with a table, a file a line, beside their reports.
if(NOT VFIO_BIND_COVERAGE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  return()
endif()

# What the unit tests run is counted from nothing; what the bus tests run, added.
add_test(NAME no-lines-yet COMMAND find ${PROJECT_BINARY_DIR} -name *.gcda -delete)
set_tests_properties(no-lines-yet PROPERTIES LABELS coverage FIXTURES_SETUP coverage-unit)

function(vfio_bind_show_coverage label folder percent)
  add_test(NAME lines-of-${folder} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    COMMAND sh -c [[exec gcovr -j "${JOBS:-$(nproc)}" "$@"]] sh --gcov-executable "llvm-cov-19 gcov" --root ${PROJECT_SOURCE_DIR}
      --filter ${PROJECT_SOURCE_DIR}/${folder}/ --exclude ".*_test\\.cpp\$" --fail-under-line ${percent}
      --txt ${PROJECT_BINARY_DIR}/reports/${label}/lines-of-${folder}.txt ${PROJECT_BINARY_DIR}/${folder})
  set_tests_properties(lines-of-${folder} PROPERTIES LABELS coverage FIXTURES_CLEANUP coverage-${label} RUN_SERIAL ON TIMEOUT 1800)
endfunction()

vfio_bind_show_coverage(unit lib 90)
vfio_bind_show_coverage(bus daemon 0)
vfio_bind_show_coverage(bus ctl 0)
