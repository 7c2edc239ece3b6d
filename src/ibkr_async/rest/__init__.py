"""The REST core: request, pacing, transport, decode, retry, and the pipeline that joins them."""
