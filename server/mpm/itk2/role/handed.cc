// What it is: see handed.h.
#include "role/handed.h"

#include "httpd/board.h"

namespace itk2::role {

Result take_handed(wire::Received &received, std::optional<Slot> page_of, bool sees_all,
                   const IdentitySegments &segments) {
    std::array<int, 1 + os::max_lock_files> own;
    std::size_t next = 0;
    const auto left = [&] {
        return received.descriptor_count - next;
    };
    if (page_of) {
        if (left() == 0) return refused(Step::protocol);
        const Result result = httpd::take_page(*page_of, received.descriptors[next++].get());
        if (!result.ok()) return result;
    }
    if (sees_all) {
        if (left() == 0) return refused(Step::protocol);
        const Result result = httpd::see_all_pages(std::move(received.descriptors[next++]));
        if (!result.ok()) return result;
    }
    if (left() == 0) return success;
    if (left() > own.size()) return refused(Step::protocol);
    std::size_t count = 0;
    while (left() > 0) own[count++] = received.descriptors[next++].get();
    return segments.take({own.data(), count});
}

} // namespace itk2::role
