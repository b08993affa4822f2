function [names, widths] = classes()
%CLASSES  Numeric classes in the order of their codes, which count from 0, and their bytes.
names = {'double', 'single', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'logical'};
widths = [8 4 1 1 2 2 4 4 8 8 1];
end
