// SPDX-License-Identifier: LGPL-2.1-or-later
#include "api_error.h"

namespace vfiobind {

const char* ApiError::name() const {
    switch (kind) {
    case Kind::invalidArgument:
        return "org.vfiobind1.Error.InvalidArgument";
    case Kind::noSuchDevice:
        return "org.vfiobind1.Error.NoSuchDevice";
    case Kind::noSuchGroup:
        return "org.vfiobind1.Error.NoSuchGroup";
    case Kind::noSuchRule:
        return "org.vfiobind1.Error.NoSuchRule";
    case Kind::notViable:
        return "org.vfiobind1.Error.NotViable";
    case Kind::blocked:
        return "org.vfiobind1.Error.Blocked";
    case Kind::busy:
        return "org.vfiobind1.Error.Busy";
    case Kind::inUse:
        return "org.vfiobind1.Error.InUse";
    case Kind::limitsExceeded:
        return "org.vfiobind1.Error.LimitsExceeded";
    case Kind::driverMissing:
        return "org.vfiobind1.Error.DriverMissing";
    case Kind::kernelRefused:
        return "org.vfiobind1.Error.KernelRefused";
    case Kind::configInvalid:
        return "org.vfiobind1.Error.ConfigInvalid";
    case Kind::readOnly:
        return "org.vfiobind1.Error.ReadOnly";
    case Kind::accessDenied:
        return "org.freedesktop.DBus.Error.AccessDenied";
    case Kind::interactionRequired:
        return "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
    case Kind::failed:
        break;
    }
    return "org.freedesktop.DBus.Error.Failed";
}

ApiError ApiError::from(TargetError error) {
    switch (error.kind) {
    case TargetError::Kind::invalidArgument:
        return {Kind::invalidArgument, std::move(error.sentence)};
    case TargetError::Kind::noSuchDevice:
        return {Kind::noSuchDevice, std::move(error.sentence)};
    case TargetError::Kind::noSuchGroup:
        return {Kind::noSuchGroup, std::move(error.sentence)};
    case TargetError::Kind::noSuchRule:
        break;
    }
    return {Kind::noSuchRule, std::move(error.sentence)};
}

ApiError ApiError::from(const Blockers& blockers) {
    ApiError error{Kind::blocked, str(blockers)};
    if (blockers.size() != 1)
        return error;
    const auto& code = blockers.front().code;
    if (code == "held-by-vm")
        error.kind = Kind::inUse;
    else if (code == "driver-missing")
        error.kind = Kind::driverMissing;
    else if (code == "not-viable")
        error.kind = Kind::notViable;
    return error;
}

} // namespace vfiobind
