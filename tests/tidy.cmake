# SPDX-License-Identifier: LGPL-2.1-or-later
# clang-tidy as tests, label tidy, over a build with unity sources: the headers, which are most of the work, are then read once
# for several sources. That these include sources is no mistake. vfio-bind-early's would be the whole library once more: of that
# only its own sources are looked at (the unit tests have group_work.cpp, and so it is among the others).
set(tidy -quiet -p ${PROJECT_BINARY_DIR} -checks=-bugprone-suspicious-include -config-file=${PROJECT_SOURCE_DIR}/.clang-tidy)

# run-clang-tidy is content with no source at all.
add_test(NAME unity-sources COMMAND ls ${PROJECT_BINARY_DIR}/lib/CMakeFiles/vfiobind.dir/Unity)
set_tests_properties(unity-sources PROPERTIES LABELS tidy FIXTURES_SETUP unity-sources)

add_test(NAME clang-tidy
  COMMAND sh -c [[exec run-clang-tidy-19 -j "${JOBS:-0}" "$@"]] sh ${tidy}
    "^${PROJECT_BINARY_DIR}/(lib|daemon|ctl)/(?!.*/(vfio-bind-early|ctl-tests)\\.dir/).*/Unity/"
    "^${PROJECT_SOURCE_DIR}/(lib|daemon|ctl)/.*(?<!_test)\\.cpp\$")

file(GLOB EARLY CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/daemon/early/*.cpp)
list(FILTER EARLY EXCLUDE REGEX "(/group_work|_test)\\.cpp$")
add_test(NAME clang-tidy-early COMMAND clang-tidy-19 ${tidy} ${EARLY})
set_tests_properties(clang-tidy clang-tidy-early PROPERTIES LABELS tidy FIXTURES_REQUIRED unity-sources RUN_SERIAL ON TIMEOUT 14400)
