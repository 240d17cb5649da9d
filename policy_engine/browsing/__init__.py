"""What people ask the catalog: which models there are, what is known of one, how several compare, what is disputed."""
