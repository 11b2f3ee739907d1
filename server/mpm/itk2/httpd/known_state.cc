// What it is: the lists of what may stand on a connection that is handed on.
#include "httpd/known_state.h"

#include "httpd/apache.h"

#include <strings.h>

#include <array>
#include <cstddef>

namespace itk2::httpd {
namespace {

// Filters that start afresh with each request, or whose only state is counted out by then.
constexpr const char *known_filters[] = {"core_in",          "core",           "reqtimeout",
                                         "log_input_output", "remoteip_input", "itk2_holding"};

// Modules whose connection state is made anew at pre_connection: addresses (core), byte counts (logio), time
// limits (reqtimeout), the PROXY header's addresses (remoteip; the header is given again).
constexpr const char *known_modules[] = {"core.c",         "http_core.c",      "mod_logio.c",
                                         "mod_remoteip.c", "mod_reqtimeout.c", "mpm_itk2.c"};

template <std::size_t n> bool is_one_of(const char *name, const char *const (&names)[n]) {
    for (const char *known : names)
        if (strcasecmp(name, known) == 0) return true;
    return false;
}

// The filters that have been met, and which of them are known. httpd has one record of each, for a process's life.
class MetFilters {
  public:
    [[nodiscard]] bool is_known(const ap_filter_rec_t *record) {
        for (std::size_t i = 0; i < count_; i++)
            if (met_[i].record == record) return met_[i].is_known;
        const bool is_known = is_one_of(record->name, known_filters);
        if (count_ < met_.size()) met_[count_++] = {record, is_known};
        return is_known;
    }

  private:
    struct Met {
        const ap_filter_rec_t *record;
        bool is_known;
    };
    std::array<Met, 32> met_{};
    std::size_t count_ = 0;
};

MetFilters met_filters;

bool filters_are_known(const ap_filter_t *filter) {
    for (; filter != nullptr; filter = filter->next)
        if (!met_filters.is_known(filter->frec)) return false;
    return true;
}

// Which places of a connection's configuration are unknown modules'; the modules are the same for a process's life.
class UnknownPlaces {
  public:
    [[nodiscard]] bool are_empty(const conn_rec *connection) {
        if (count_ == 0) find();
        auto *const *places = reinterpret_cast<void *const *>(connection->conn_config);
        for (std::size_t i = 0; i < count_; i++)
            if (places[i] != nullptr && is_unknown_[i]) return false;
        return true;
    }

  private:
    static constexpr std::size_t most = 1024;

    void find() {
        for (const module *m = ap_top_module; m != nullptr; m = m->next) {
            const auto place = static_cast<std::size_t>(m->module_index);
            if (m->module_index < 0 || place >= most) continue;
            is_unknown_[place] = !is_one_of(m->name, known_modules);
            if (place >= count_) count_ = place + 1;
        }
    }

    bool is_unknown_[most] = {};
    std::size_t count_ = 0;
};

UnknownPlaces unknown_places;

} // namespace

bool reads_plainly(const conn_rec *connection) { return filters_are_known(connection->input_filters); }

bool holds_only_known_state(const conn_rec *connection) {
    return reads_plainly(connection) && filters_are_known(connection->output_filters) &&
           apr_is_empty_table(connection->notes) && unknown_places.are_empty(connection);
}

} // namespace itk2::httpd
