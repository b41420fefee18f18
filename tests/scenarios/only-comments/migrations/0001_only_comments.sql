-- To be written.
/* Nothing here yet. */
