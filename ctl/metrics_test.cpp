// SPDX-License-Identifier: LGPL-2.1-or-later
#include "metrics.h"

#include "fake/fake_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::metrics_test {
namespace {

TEST(Metrics, AreWhatTheDaemonWrote) {
    FakeKernel kernel;
    kernel.putFile("/run/vfio-bind/metrics.prom", "# HELP a b\na 1\n");
    EXPECT_EQ(readMetrics(kernel), "# HELP a b\na 1\n");
}

TEST(Metrics, WithoutTheFileItIsSaidWhyThereIsNone) {
    EXPECT_THAT(readMetrics(FakeKernel()).error(),
                testing::AllOf(testing::HasSubstr("there is no /run/vfio-bind/metrics.prom"),
                               testing::HasSubstr("metrics = false")));
}

} // namespace
} // namespace vfiobind::ctl::metrics_test
