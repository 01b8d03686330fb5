/* `_dl_find_object` for musl: Debian's unwinder was built for glibc and asks it where the tables of a function are.
   The answer is looked up as before glibc 2.35, by walking the loaded objects; a static program is the only one. */

#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

/* glibc's `struct dl_find_object` where it has no `dlfo_eh_dbase`: on x86-64 and 64-bit ARM. */
struct found {
    unsigned long long flags;
    void *start;
    void *end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    ElfW(Addr) address;
    struct found *found;
};

static int look(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;
    const ElfW(Phdr) *tables = NULL, *holder = NULL;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        ElfW(Addr) start = object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && search->address - start < part->p_memsz)
            holder = part;
        if (part->p_type == PT_GNU_EH_FRAME)
            tables = part;
    }
    if (!holder || !tables)
        return 0;
    search->found->flags = 0;
    search->found->start = (void *)(object->dlpi_addr + holder->p_vaddr);
    search->found->end = (void *)(object->dlpi_addr + holder->p_vaddr + holder->p_memsz);
    search->found->link_map = NULL;
    search->found->eh_frame = (void *)(object->dlpi_addr + tables->p_vaddr);
    return 1;
}

int _dl_find_object(void *address, struct found *found)
{
    struct search search = {(ElfW(Addr))address, found};
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
