// SPDX-License-Identifier: LGPL-2.1-or-later
/// The machines of the scenarios.
#pragma once

#include "fake/fake_kernel.h"

namespace vfiobind::scenariomachines {

inline const std::string fn0 = "0000:01:00.0";
inline const std::string fn1 = "0000:01:00.1";
inline const std::string fn2 = "0000:01:00.2";
inline const std::string fn3 = "0000:01:00.3";
inline const std::string nicA = "0000:03:01.0";
inline const std::string nicB = "0000:03:02.0";

FakeKernel withDrivers();
void addCard(FakeKernel& kernel, const std::string& gpuDriver, const std::string& audioDriver,
             const std::string& override = {});
FakeKernel card();
FakeKernel boundCard();
/// A card with a USB-C port: no driver here is for its UCSI function.
FakeKernel cardOfFour(bool bound);
FakeKernel behindConventionalBridge();
/// Three equal cards in groups 10 to 12: one on its native driver is to be bound, one native, one without a
/// driver.
FakeKernel twins();
FakeKernel virtualFunctions(bool autoprobe);
FakeKernel withVariant();
FakeKernel listed(const std::string& name);

} // namespace vfiobind::scenariomachines
