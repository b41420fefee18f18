SELECT retire(twice(3));
