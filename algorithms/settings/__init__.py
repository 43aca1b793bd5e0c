"""The settings of every algorithm. Free of torch: planning reads them."""
