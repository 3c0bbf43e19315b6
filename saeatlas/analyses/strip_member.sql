(select n from {work} where place = first + {i}) as {n}, (select bits || B'' from {work} where place = first + {i}) as {bits}
