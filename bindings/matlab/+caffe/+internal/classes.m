function names = classes()
%CLASSES  Numeric classes in the order of their codes, from 0.
names = {'double', 'single', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'logical'};
end
