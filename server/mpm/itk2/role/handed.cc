// What it is: see handed.h.
#include "role/handed.h"

#include "httpd/board.h"
#include "httpd/status.h"

namespace itk2::role {

Result take_handed(wire::Received &received, const Parts &parts, const IdentitySegments &segments) {
    std::size_t next = 0;
    const auto left = [&] {
        return received.descriptor_count - next;
    };
    if (parts.page_of) {
        if (left() == 0) return refused(Step::protocol);
        const Result result = httpd::take_page(*parts.page_of, received.descriptors[next++].get());
        if (!result.ok()) return result;
    }
    if (parts.sees_all) {
        if (left() == 0) return refused(Step::protocol);
        const Result result = httpd::see_all_pages(std::move(received.descriptors[next++]));
        if (!result.ok()) return result;
    }
    if (parts.counters) {
        if (left() == 0) return refused(Step::protocol);
        const Result result = httpd::see_counters(received.descriptors[next++].get());
        if (!result.ok()) return result;
    }
    if (left() == 0) return success;
    IdentitySegments::Own own;
    own.is_filled = !parts.fills;
    if (left() > own.descriptors.size()) return refused(Step::protocol);
    while (left() > 0) own.descriptors[own.count++] = received.descriptors[next++].get();
    return segments.take(own);
}

} // namespace itk2::role
