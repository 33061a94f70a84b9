// SPDX-License-Identifier: LGPL-2.1-or-later
#include "names/names.h"

#include <cstring>

namespace vfiobind {
namespace {

constexpr const char* modelKey = "ID_MODEL_FROM_DATABASE";

} // namespace

Names::Names() {
    sd_hwdb* hwdb = nullptr;
    if (const int result = sd_hwdb_new(&hwdb); result < 0)
        error_ = std::string("the hardware database cannot be opened: ") + strerror(-result);
    hwdb_.reset(hwdb);
}

std::string Names::get(const Ids& ids, const char* key) const {
    const char* value = nullptr;
    if (!hwdb_ || sd_hwdb_get(hwdb_.get(), ids.modalias().c_str(), key, &value) < 0)
        return {};
    return value;
}

std::string Names::device(const Ids& ids) const {
    auto model = get(ids, modelKey);
    return model.empty() ? kind(ids) : model;
}

std::string Names::name(const Ids& ids) const {
    const auto maker = vendor(ids);
    const auto model = get(ids, modelKey);
    return maker.empty() || model.empty() ? maker + model : maker + ' ' + model;
}

std::string Names::kind(const Ids& ids) const {
    auto subclass = get(ids, "ID_PCI_SUBCLASS_FROM_DATABASE");
    return subclass.empty() ? get(ids, "ID_PCI_CLASS_FROM_DATABASE") : subclass;
}

} // namespace vfiobind
