// SPDX-License-Identifier: LGPL-2.1-or-later
#include "intent/request_json.h"

#include "transaction/json_values.h"

#include <nlohmann/json.hpp>

namespace vfiobind {

using nlohmann::json;

json toJson(const Request& request) {
    return {{"action", verb(request.action)},
            {"driver", request.driver},
            {"new-id", request.method == Method::newId},
            {"allow", request.allow},
            {"rule", request.rule},
            {"by", request.by}};
}

Request requestFrom(const json& j) {
    return {.action = j.at("action") == "bind" ? Action::bind : Action::release,
            .driver = j.at("driver").get<std::string>(),
            .method = j.at("new-id").get<bool>() ? Method::newId : Method::driverOverride,
            .allow = j.at("allow").get<std::vector<std::string>>(),
            .rule = j.at("rule").get<std::string>(),
            .by = j.at("by").get<std::string>()};
}

json toJson(const std::map<Address, Ids>& members) {
    json j = json::object();
    for (const auto& [address, ids] : members)
        j[address.str()] = ids.modalias();
    return j;
}

std::map<Address, Ids> membersFrom(const json& j) {
    std::map<Address, Ids> members;
    for (const auto& [address, modalias] : j.items()) {
        auto ids = Ids::fromModalias(modalias.get<std::string>());
        if (!ids)
            throw std::invalid_argument(ids.error());
        members[addressFrom(address)] = *ids;
    }
    return members;
}

} // namespace vfiobind
